import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Answer, AnswerEvents } from './answer.ts';
import type { OwnAnswer } from './denial.ts';
import { forwardResponse } from './forwarded-headers.ts';

/** The way back over HTTP/2. A head without a body leaves as one frame that ends the stream. */
export class Http2Answer implements Answer {
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  readonly #hasKey: boolean;
  #events: AnswerEvents | null = null;
  #head: OutgoingHttpHeaders | null = null;
  #trailers: OutgoingHttpHeaders = {};
  started = false;

  /**
   * @param isHead the answer to HEAD has no body, also where it is our own
   * @param hasKey the request carries a Sec-WebSocket-Key
   */
  constructor(stream: ServerHttp2Stream, isHead: boolean, hasKey: boolean) {
    this.#stream = stream;
    this.#isHead = isHead;
    this.#hasKey = hasKey;
  }

  listen(events: AnswerEvents): void {
    this.#events = events;
    this.#stream.on('drain', () => events.drained());
    this.#stream.on('close', () => events.gone());
    this.#stream.on('wantTrailers', () => this.#sendTrailers());
  }

  informational(status: number, rawHeaders: readonly string[]): void {
    if (!this.started && !this.#stream.closed)
      this.#stream.additionalHeaders(http2Headers(status, forwardResponse(rawHeaders, true)));
  }

  head(status: number, _statusText: string, rawHeaders: readonly string[]): void {
    this.#head = http2Headers(status, forwardResponse(rawHeaders, true));
    this.started = true;
    process.nextTick(() => this.#respond(false));
  }

  data(chunk: Buffer): boolean {
    this.#respond(false);
    return this.#stream.destroyed || this.#stream.write(chunk);
  }

  end(rawTrailers: readonly string[]): void {
    const stream = this.#stream;
    this.#trailers = http2Headers(null, forwardResponse(rawTrailers, true));
    if (this.#head !== null && rawTrailers.length === 0) this.#respond(true);
    else {
      this.#respond(false);
      stream.end();
    }
  }

  own(answer: OwnAnswer): void {
    const stream = this.#stream;
    this.started = true;
    if (stream.destroyed || stream.closed) return;
    stream.respond(http2Headers(answer.status, answer.headers), { endStream: this.#isHead });
    if (!this.#isHead) stream.end(answer.body);
    this.#leaveRest();
  }

  /**
   * A WebSocket over HTTP/2 begins with 200, and RFC 8441 section 5 leaves out what HTTP/1.1 proves itself with. Node's
   * own WebSocket sends a key all the same and fails without the proof: whoever sent one gets it.
   */
  upgrade(_statusText: string, rawHeaders: readonly string[]): Duplex {
    const headers = http2Headers(200, forwardResponse(rawHeaders, true));
    if (!this.#hasKey) delete headers['sec-websocket-accept'];
    this.started = true;
    this.#stream.respond(headers);
    // Behind the upstream's end nobody reads on, and there are clients that wait for the whole stream to close.
    this.#stream.on('finish', () => this.#leaveRest());
    return this.#stream;
  }

  cut(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  #respond(ended: boolean): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    if (this.#stream.destroyed || this.#stream.closed) return;
    try {
      this.#stream.respond(head, { endStream: ended, waitForTrailers: !ended });
    } catch {
      // The upstream's header section has no form in HTTP/2: the client sees a broken stream, not a half answer.
      this.cut();
      this.#events?.gone();
      return;
    }
    if (ended) this.#leaveRest();
  }

  #sendTrailers(): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    try {
      this.#stream.sendTrailers(this.#trailers);
    } catch {
      // As with a head: the upstream's trailers have no form in HTTP/2 (a field twice that may stand once).
      this.cut();
      return;
    }
    this.#leaveRest();
  }

  /** RFC 9113 section 8.1: a complete answer may ask the client not to send the rest of its request. */
  #leaveRest(): void {
    if (!this.#stream.readableEnded && !this.#stream.endAfterHeaders)
      this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

function http2Headers(status: number | null, rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = status === null ? {} : { ':status': status };
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
  return headers;
}
