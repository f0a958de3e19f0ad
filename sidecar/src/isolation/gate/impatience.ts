import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { encodeDnsError } from '../../target/dns-answer.ts';
import { DNS_RCODE } from '../../target/dns-codes.ts';
import { readDnsQuestion } from '../../target/dns-question.ts';
import { type BoundSocket, duplicate, keepPort } from '../system-calls.ts';

/** How long connections wait for a sidecar, in milliseconds. Then they are reset, so that clients need not time out. */
const PATIENCE_MS = 10_000;
const BACKLOG = 4_096;

export interface ImpatienceOptions {
  /** Told what happens, one sentence each. */
  readonly say: (line: string) => void;
  readonly patienceMs?: number;
}

/** What becomes of those who wait while no sidecar is there. */
export interface Impatience {
  /** No sidecar is there any more. @param waitedMs for how long already */
  begin(waitedMs?: number): void;
  /** One is there. */
  end(): void;
}

/**
 * Once no sidecar has been there for the whole of the patience, resets the connections that wait, and answers questions
 * with SERVFAIL. Reads from copies of the sockets, which closing does not take from the others.
 */
export function impatience(
  sockets: { readonly tcp: BoundSocket; readonly udp: BoundSocket },
  { say, patienceMs = PATIENCE_MS }: ImpatienceOptions,
): Impatience {
  let timer: NodeJS.Timeout | undefined;
  let refusing: { readonly connections: Server; readonly questions: DatagramSocket } | null = null;
  const refuse = () => {
    say(`no sidecar for ${patienceMs / 1000} s; connections are reset until one is there`);
    const connections = createServer((socket) => socket.resetAndDestroy());
    connections.on('error', (error) => say(`connections cannot be reset: ${error.message}`));
    connections.listen({ fd: duplicate(sockets.tcp.fd) }, BACKLOG);
    refusing = { connections, questions: refusedQuestions(duplicate(sockets.udp.fd), say) };
  };
  return {
    begin(waitedMs = 0) {
      clearTimeout(timer);
      if (refusing === null) timer = setTimeout(refuse, Math.max(0, patienceMs - waitedMs));
    },
    end() {
      clearTimeout(timer);
      refusing?.connections.close();
      refusing?.questions.close();
      refusing = null;
    },
  };
}

function refusedQuestions(fd: number, say: (line: string) => void): DatagramSocket {
  const questions = createSocket('udp4');
  questions.on('error', (error) => say(`questions cannot be refused: ${error.message}`));
  questions.on('message', (message, { address, port }) => {
    const reading = readDnsQuestion(message);
    if (reading.kind === 'drop' || port === 0) return;
    questions.send(encodeDnsError(reading, DNS_RCODE.SERVFAIL), port, address, () => {});
  });
  questions.bind({ fd });
  keepPort(fd);
  return questions;
}
