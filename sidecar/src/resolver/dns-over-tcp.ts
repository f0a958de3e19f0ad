import type { Duplex } from 'node:stream';
import type { DnsService } from './dns-service.ts';

export interface DnsOverTcpOptions {
  /** Milliseconds until a connection is closed on which no whole message came, or no answer was taken; 10,000 unless told. */
  readonly idleMs?: number;
}

const PREFIX = 2;
/** No question is longer, with all that EDNS may add to it (RFC 6891, RFC 8467); what claims to be is something else. */
const LONGEST = 4096;

/**
 * Answers the DNS messages of one connection, each preceded by its length (RFC 1035 section 4.2.2, RFC 7766), in the
 * order in which they came. From then on the connection is this function's, its errors too.
 *
 * At most what one read brought is held: no more is read while answers wait for the client. The connection ends when
 * the client ends it, when it is idle, and at what is no question, where nothing tells any longer where the next message
 * would begin.
 */
export function serveDnsOverTcp(socket: Duplex, service: DnsService, options: DnsOverTcpOptions = {}): void {
  const idle = setTimeout(close, options.idleMs ?? 10_000).unref();
  let pending: Buffer = Buffer.alloc(0);
  /** Nothing more is answered. */
  let done = false;

  function close(): void {
    clearTimeout(idle);
    done = true;
    socket.destroy();
  }

  /** The answers to all messages that are whole. `done` where what follows them is no message. */
  function answerPending(): Buffer {
    const answers: Buffer[] = [];
    while (!done && pending.length >= PREFIX) {
      const length = pending.readUInt16BE();
      const end = PREFIX + length;
      const possible = length <= LONGEST;
      if (possible && pending.length < end) break;
      const answer = possible ? service.answer(pending.subarray(PREFIX, end), 'tcp') : null;
      if (answer === null) done = true;
      else answers.push(prefixed(answer));
      pending = pending.subarray(end);
    }
    return Buffer.concat(answers);
  }

  socket.on('data', (chunk: Buffer) => {
    // After the last answer what comes is read and left: what nobody read would make a reset of the end.
    if (done) return;
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const answers = answerPending();
    if (answers.length > 0) idle.refresh();
    if (done) socket.end(answers);
    else if (answers.length > 0 && !socket.write(answers)) socket.pause();
  });
  socket.on('drain', () => {
    idle.refresh();
    socket.resume();
  });
  socket.on('end', () => {
    if (!done) socket.end();
    done = true;
  });
  socket.on('error', close);
  socket.on('close', close);
}

function prefixed(answer: Buffer): Buffer {
  const length = Buffer.alloc(PREFIX);
  length.writeUInt16BE(answer.length);
  return Buffer.concat([length, answer]);
}
