import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { type Inet, keepPort, namespaceOf, originalDestination } from '../system-calls.ts';
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

/** The sockets of one gate, in use. */
interface Taken {
  /** Null where the kernel does not tell. */
  readonly namespace: bigint | null;
  readonly server: Server;
  readonly questions: DatagramSocket;
}

/** What a gate redirects, accepted in its namespace through the sockets it handed over. */
export class RedirectedConnections {
  readonly #options: RedirectedOptions;
  readonly #taken = new Set<Taken>();

  constructor(options: RedirectedOptions) {
    this.#options = options;
  }

  /**
   * Accepts from these from now on, and from those before for a last while. Those of another namespace stay: a gate that
   * started after the namespace was made anew is in the new one, and a workspace that was there before is in the old one
   * until it starts again. That is two descriptors for each time.
   */
  take(sockets: HandedSockets): void {
    const namespace = namespaceOf(sockets.tcp);
    const before = [...this.#taken].filter((taken) => taken.namespace === namespace);
    const server = this.#accept(sockets.tcp);
    this.#taken.add({ namespace, server, questions: this.#listen(sockets.udp) });
    if (before.length === 0) return;
    setTimeout(() => {
      for (const taken of before) this.#retire(taken);
    }, LAST_MS).unref();
  }

  /** Takes no more. Connections that are open are their owner's; what waits stays in the gate's queue. */
  close(): void {
    for (const taken of this.#taken) this.#retire(taken);
  }

  #accept(fd: number): Server {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#options.onConnection(socket, destinationOf(socket));
    });
    server.on('error', (error) =>
      this.#options.onFault(`the gate's socket cannot be used: ${error.message}`),
    );
    server.listen({ fd }, BACKLOG);
    return server;
  }

  #listen(fd: number): DatagramSocket {
    const socket = createSocket('udp4');
    socket.on('error', (error) => {
      // It stays: what the kernel could not hand over now, it may in a moment.
      this.#options.onFault(`a question on the gate's DNS socket cannot be read: ${error.message}`);
    });
    this.#options.onDatagrams(socket);
    socket.bind({ fd });
    // libuv has just let its port be shared (uv_udp_open), and who shares it would answer the workspace's questions.
    keepPort(fd);
    socket.setRecvBufferSize(DATAGRAM_BUFFER);
    return socket;
  }

  #retire(taken: Taken): void {
    if (!this.#taken.delete(taken)) return;
    taken.server.close();
    taken.questions.close();
  }
}

/** By the descriptor below node:net's stream, which has no public name. */
function destinationOf(socket: Socket): Inet | null {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  return handle === null || handle.fd < 0 ? null : originalDestination(handle.fd);
}
