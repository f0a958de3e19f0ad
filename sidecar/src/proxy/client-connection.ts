import type { Duplex } from 'node:stream';
import type { Endpoint } from '../target/types.ts';

/** What is known of the connection that requests come on. */
export interface ClientConnection {
  /** Where a CONNECT led, or null on the proxy's port itself. */
  readonly endpoint: Endpoint | null;
  readonly scheme: 'http' | 'https';
  /** Of the ClientHello that was opened here. */
  readonly serverName: string | null;
}

const EXPLICIT: ClientConnection = { endpoint: null, scheme: 'http', serverName: null };

/** Connections by their socket, forgotten with it. A socket that nobody noted is one of the proxy's port. */
export class ClientConnections {
  readonly #known = new WeakMap<Duplex, ClientConnection>();

  note(socket: Duplex, connection: ClientConnection): void {
    this.#known.set(socket, connection);
  }

  of(socket: Duplex): ClientConnection {
    return this.#known.get(socket) ?? EXPLICIT;
  }

  /** Whether this socket leads somewhere already, by a CONNECT. */
  has(socket: Duplex): boolean {
    return this.#known.has(socket);
  }
}
