import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Arrival } from './internet.ts';

/** A port of the machine itself, TCP and UDP, on all of its addresses: what an attack on the host would reach. */
export class HostListener implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #datagrams = createSocket('udp4');
  readonly #sockets = new Set<Socket>();
  port = 0;

  static async start(): Promise<HostListener> {
    const listener = new HostListener();
    listener.#server.listen(0, '0.0.0.0');
    await once(listener.#server, 'listening');
    listener.port = (listener.#server.address() as AddressInfo).port;
    listener.#datagrams.on('message', (message, { address }) => listener.#note('udp', address, message));
    listener.#datagrams.bind(listener.port);
    await once(listener.#datagrams, 'listening');
    return listener;
  }

  #serve(socket: Socket): void {
    const from = socket.remoteAddress ?? '';
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    this.#note('tcp', from, Buffer.alloc(0));
    socket.on('data', (piece: Buffer) => {
      this.#note('tcp', from, piece);
      socket.end('HTTP/1.1 200 OK\r\n\r\nreached the host\n');
    });
  }

  #note(protocol: string, from: string, piece: Buffer): void {
    const marks = piece.toString('latin1').match(/mark-[a-z0-9-]+/g) ?? [];
    this.arrivals.push({ from, to: 'host', protocol, port: this.port, bytes: piece.length, marks });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    this.#datagrams.close();
  }
}
