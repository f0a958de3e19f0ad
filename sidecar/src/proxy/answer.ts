import type { Duplex } from 'node:stream';
import type { OwnAnswer } from './denial.ts';

/** What an answer tells the request that it answers. */
export interface AnswerEvents {
  /** The client takes more. */
  drained(): void;
  /** The client went away before the answer was complete. */
  gone(): void;
}

/** The way back to the client for one request, over HTTP/1.1 or HTTP/2. */
export interface Answer {
  /** True once a final status was sent. */
  readonly started: boolean;
  listen(events: AnswerEvents): void;
  /** Asks the client to send its body (RFC 9110 section 10.1.1), or passes another 1xx. */
  informational(status: number, rawHeaders: readonly string[]): void;
  /** Throws where the upstream's header section cannot be sent on. */
  head(status: number, statusText: string, rawHeaders: readonly string[]): void;
  /** False asks to wait for `drained`. */
  data(chunk: Buffer): boolean;
  end(rawTrailers: readonly string[]): void;
  /** An answer of our own, whole. Only before `started`. */
  own(answer: OwnAnswer): void;
  /** Agrees to the upgrade that the client asked for; what it sends from then on comes out of the result. */
  upgrade(statusText: string, rawHeaders: readonly string[]): Duplex;
  /** Breaks off so that the client sees that the answer is not complete. */
  cut(): void;
}
