import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { type Inet, keepPort, originalDestination } from '../system-calls.ts';
import type { HandedSockets } from './follow-gate.ts';

/** How long the sockets of an earlier gate are still accepted from: what was queued on them is served. */
const LAST_MS = 5_000;
const BACKLOG = 4_096;
/** Octets of questions that wait to be read. */
const DATAGRAM_BUFFER = 1_048_576;

export interface RedirectedOptions {
  /**
   * A connection of the workspace's, paused, half-open allowed.
   * @param destination where it was going; null where nothing redirected it
   */
  readonly onConnection: (socket: Socket, destination: Inet | null) => void;
  /** A socket that DNS questions come on. */
  readonly onDatagrams: (socket: DatagramSocket) => void;
  readonly onFault: (message: string) => void;
}

/** What a gate redirects, accepted in its namespace through the sockets it handed over. */
export class RedirectedConnections {
  readonly #options: RedirectedOptions;
  readonly #servers = new Set<Server>();
  readonly #datagrams = new Set<DatagramSocket>();

  constructor(options: RedirectedOptions) {
    this.#options = options;
  }

  /** Accepts from these from now on, and from those before for a last while. */
  take(sockets: HandedSockets): void {
    const before = [...this.#servers];
    const datagramsBefore = [...this.#datagrams];
    this.#accept(sockets.tcp);
    this.#listen(sockets.udp);
    if (before.length === 0) return;
    setTimeout(() => {
      for (const server of before) this.#retire(server);
      for (const socket of datagramsBefore) this.#retireDatagrams(socket);
    }, LAST_MS).unref();
  }

  /** Takes no more. Connections that are open are their owner's; what waits stays in the gate's queue. */
  close(): void {
    for (const server of this.#servers) this.#retire(server);
    for (const socket of this.#datagrams) this.#retireDatagrams(socket);
  }

  #accept(fd: number): void {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#options.onConnection(socket, destinationOf(socket));
    });
    server.on('error', (error) =>
      this.#options.onFault(`the gate's socket cannot be used: ${error.message}`),
    );
    server.listen({ fd }, BACKLOG);
    this.#servers.add(server);
  }

  #listen(fd: number): void {
    const socket = createSocket('udp4');
    socket.on('error', (error) => {
      this.#options.onFault(`the gate's DNS socket cannot be used: ${error.message}`);
      this.#retireDatagrams(socket);
    });
    this.#options.onDatagrams(socket);
    socket.bind({ fd });
    // libuv has just let its port be shared (uv_udp_open), and who shares it would answer the workspace's questions.
    keepPort(fd);
    socket.setRecvBufferSize(DATAGRAM_BUFFER);
    this.#datagrams.add(socket);
  }

  #retire(server: Server): void {
    this.#servers.delete(server);
    server.close();
  }

  #retireDatagrams(socket: DatagramSocket): void {
    if (this.#datagrams.delete(socket)) socket.close();
  }
}

/** By the descriptor below node:net's stream, which has no public name. */
function destinationOf(socket: Socket): Inet | null {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  return handle === null || handle.fd < 0 ? null : originalDestination(handle.fd);
}
