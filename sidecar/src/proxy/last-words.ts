import type { Duplex } from 'node:stream';

/** How long what the client still sends is read away: closing over unread octets would reset ours off the wire. */
const LINGER_MS = 1_000;

/** Sends the last octets of a connection and closes it, whatever the client does. */
export function endWith(socket: Duplex, octets: Buffer): void {
  socket.end(octets);
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
