import type { Duplex } from 'node:stream';
import type { DnsService } from './dns-service.ts';

export interface DnsOverTcpOptions {
  /** Milliseconds until a connection is closed on which no whole message came, or no answer was taken; 10,000 unless told. */
  readonly idleMs?: number;
}

const PREFIX = 2;
/** A DNS header (RFC 1035 section 4.1.1): less is no message. */
const SHORTEST = 12;
/** No question is longer, with all that EDNS may add to it (RFC 6891, RFC 8467); what claims to be is something else. */
const LONGEST = 4096;
/** Answers that are written at once. */
const BATCH = 64;

/**
 * Answers the DNS messages of one connection, each preceded by its length (RFC 1035 section 4.2.2, RFC 7766), in the
 * order in which they came. From then on the connection is this function's, its errors too.
 *
 * At most one segment of questions is held: it is not read on while answers wait for the client. The connection ends
 * when the client ends it, when it is idle, and at what is no question, where nothing tells any longer where the next
 * message would begin.
 */
export function serveDnsOverTcp(socket: Duplex, service: DnsService, options: DnsOverTcpOptions = {}): void {
  const idleMs = options.idleMs ?? 10_000;
  let pending: Buffer = Buffer.alloc(0);
  /** Nothing more is answered. */
  let done = false;
  /** The client has to take answers first. */
  let blocked = false;
  /** The client asks nothing more. */
  let ended = false;
  const idle = setTimeout(close, idleMs).unref();

  function close(): void {
    clearTimeout(idle);
    done = true;
    socket.destroy();
  }

  /** Answers what is whole. False where the client has to take answers first. */
  function proceed(): boolean {
    const answers: Buffer[] = [];
    while (!done && pending.length >= PREFIX) {
      const length = pending.readUInt16BE();
      const end = PREFIX + length;
      if (length < SHORTEST || length > LONGEST) return finish(answers);
      if (pending.length < end) break;
      const answer = service.answer(pending.subarray(PREFIX, end), 'tcp');
      if (answer === null) return finish(answers);
      answers.push(prefixed(answer));
      pending = pending.subarray(end);
      if (answers.length >= BATCH && !send(answers)) return false;
    }
    return answers.length === 0 || send(answers);
  }

  function send(answers: Buffer[]): boolean {
    idle.refresh();
    return socket.write(Buffer.concat(answers.splice(0)));
  }

  /** Says the last words. What still comes is read and left, so that nothing unread makes a reset of the end. */
  function finish(answers: Buffer[]): boolean {
    done = true;
    pending = Buffer.alloc(0);
    socket.end(Buffer.concat(answers.splice(0)));
    return true;
  }

  /** Answers, reads on while that is no burden, and ends with the client. */
  function advance(): void {
    blocked = !proceed();
    if (blocked) socket.pause();
    else if (ended && !done) finish([]);
    else socket.resume();
  }

  socket.on('data', (chunk: Buffer) => {
    if (done) return;
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    if (!blocked) advance();
  });
  socket.on('drain', () => {
    idle.refresh();
    advance();
  });
  socket.on('end', () => {
    // A connection may end while it is paused, with questions that wait for their answers to be taken.
    ended = true;
    if (!blocked) advance();
  });
  socket.on('error', close);
  socket.on('close', close);
}

function prefixed(answer: Buffer): Buffer {
  const length = Buffer.alloc(PREFIX);
  length.writeUInt16BE(answer.length);
  return Buffer.concat([length, answer]);
}
