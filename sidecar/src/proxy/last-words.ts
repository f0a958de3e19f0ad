import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** How long what the client still sends is read away: closing over unread octets would reset ours off the wire. */
const LINGER_MS = 1_000;

/** Sends the last octets of a connection and closes it, whatever the client does. */
export function endWith(socket: Duplex, octets: Buffer): void {
  socket.end(octets);
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/**
 * Closes a connection so that its other side cannot take that for a clean end: by a reset. TLS ends without a word of its
 * own, which is told from an end. Where the end was said already, it stays said.
 */
export function breakOff(socket: Duplex): void {
  // While a shutdown is under way libuv refuses a reset (EINVAL), and Node then never closes the socket.
  const resets = socket instanceof Socket && !(socket instanceof TLSSocket) && !socket.writableEnded;
  if (resets) socket.resetAndDestroy();
  else socket.destroy();
}
