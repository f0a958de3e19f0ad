import { join } from 'node:path';

/**
 * What gate and sidecar say to each other over the unix socket, a line each:
 *
 *     sidecar  WATCH            this connection stays; while it does, the gate counts the sidecar as there
 *     gate     SOCKETS ID       the sockets of this gate, by an id of its own
 *     sidecar  TAKE NONCE       on a second connection, which it reads with recvmsg(2)
 *     gate     (descriptors)    on the second: TCP, then UDP
 *     gate     SENT NONCE       on the first: they lie ready to be received
 *     gate     PING             on the first, every few seconds
 *     sidecar  PONG             it moves; the gate gives up on one that does not answer
 *
 * Descriptors come on a connection of their own because Node's streams read, and drop what came beside the octets.
 */
export const HANDED_SOCKETS = 2;

/** Where the gate listens, and where it says how it fares. */
export function gateFiles(directory: string): { readonly socket: string; readonly status: string } {
  return { socket: join(directory, 'gate.sock'), status: join(directory, 'status.json') };
}

/** What the gate leaves in its directory for those who wait for it. */
export interface GateStatus {
  readonly state: 'ready' | 'fatal';
  /** Why it could not start, for people. */
  readonly reason?: string;
}

/** A longer line is none of ours. */
const LONGEST_LINE = 256;

/** Cuts what a stream brings into lines. Where the other side sends no line of ours, `onLine` is not called again. */
export function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    if (rest.length > LONGEST_LINE) return;
    rest += chunk.toString('latin1');
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      onLine(line);
    }
  };
}
