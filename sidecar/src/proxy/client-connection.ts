import type { Duplex } from 'node:stream';
import type { Endpoint } from '../target/types.ts';
import { SlotSet, type Slotted } from './slot-set.ts';

/** Told when the client closes its side of the connection. */
export interface EndListener extends Slotted {
  clientEnded(): void;
}

/** What is known of the connection that requests come on. */
export interface ClientConnection {
  /** Where a CONNECT led, or null on the proxy's port itself. */
  readonly endpoint: Endpoint | null;
  readonly scheme: 'http' | 'https';
  /** Of the ClientHello that was opened here. */
  readonly serverName: string | null;
  /** The answers that are under way on it. */
  readonly answers: SlotSet<EndListener>;
  /** Set by an answer that ends the connection: what the parser meets behind it concerns nobody. */
  closing: boolean;
}

/** Connections by their socket, forgotten with it. */
export class ClientConnections {
  readonly #known = new WeakMap<Duplex, ClientConnection>();

  /** Notes a connection before requests are read from it. */
  note(socket: Duplex, of: Omit<ClientConnection, 'answers' | 'closing'>): void {
    const connection = { ...of, answers: new SlotSet<EndListener>(), closing: false };
    this.#known.set(socket, connection);
    socket.on('end', () => {
      for (const answer of connection.answers) answer.clientEnded();
    });
  }

  of(socket: Duplex): ClientConnection {
    const connection = this.#known.get(socket);
    if (connection === undefined) throw new Error('A request came on a connection that nobody noted.');
    return connection;
  }

  /** Whether this is a connection that was noted already. */
  has(socket: Duplex): boolean {
    return this.#known.has(socket);
  }
}
