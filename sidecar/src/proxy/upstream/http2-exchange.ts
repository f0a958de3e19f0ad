import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { ResponseSink, UpstreamExchange, UpstreamRequest } from '../upstream-types.ts';
import { BodyPump } from './body-pump.ts';
import { brokenFailure, codeOf, UpstreamFailure } from './failure.ts';

/** Connection-specific fields have no place in HTTP/2 (RFC 9113 section 8.2.2); Host becomes `:authority`. */
const NOT_SENT = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/** Without pseudo fields, as name, value, name, value. */
function regular(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!name.startsWith(':')) kept.push(name, rawHeaders[i + 1] ?? '');
  }
  return kept;
}

function grouped(raw: readonly string[], headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    if (NOT_SENT.has(name) || name.startsWith(':') || (name === 'te' && value !== 'trailers')) continue;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else headers[name] = Array.isArray(before) ? [...before, value] : [String(before), value];
  }
  return headers;
}

function firstValue(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) if ((raw[i] ?? '').toLowerCase() === name) return raw[i + 1];
  return undefined;
}

/** One request and its response over HTTP/2. */
export class Http2Exchange implements UpstreamExchange {
  readonly #place: string;
  readonly #request: UpstreamRequest;
  readonly #sink: ResponseSink;
  readonly #onFailure: (failure: UpstreamFailure) => void;
  #stream: ClientHttp2Stream | null = null;
  #pump: BodyPump | null = null;
  #started = false;
  #error: unknown = null;
  #trailers: string[] = [];
  done = false;

  constructor(
    place: string,
    request: UpstreamRequest,
    sink: ResponseSink,
    onFailure: (failure: UpstreamFailure) => void,
  ) {
    this.#place = place;
    this.#request = request;
    this.#sink = sink;
    this.#onFailure = onFailure;
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(): void {
    if (this.done) return;
    this.#release();
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  /** @returns the stream, or null where the request could not be sent */
  startOn(session: ClientHttp2Session, scheme: string, address: string): ClientHttp2Stream | null {
    const { headers, body, method, path } = this.#request;
    this.#sink.onConnected(address);
    if (this.done) return null;
    const wanted = grouped(headers, {
      ':method': method,
      ':path': path,
      ':scheme': scheme,
      ':authority': firstValue(headers, 'host') ?? this.#place,
    });
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(wanted, { endStream: body === null, waitForTrailers: body !== null });
    } catch (error) {
      const failure = new UpstreamFailure(
        'protocol',
        `The request to ${this.#place} cannot be sent over HTTP/2 (${codeOf(error) || 'invalid headers'}).`,
      );
      process.nextTick(() => this.fail(failure));
      return null;
    }
    this.#stream = stream;
    this.#listen(stream);
    if (body !== null) {
      const pump = new BodyPump(body, {
        write: (chunk) => stream.write(chunk),
        end: () => stream.end(),
        broken: () => {
          this.fail(new UpstreamFailure('reset', 'The request broke off within its body.', this.#started));
          stream.close(constants.NGHTTP2_CANCEL);
        },
      });
      this.#pump = pump;
      stream.on('drain', () => pump.drained());
      stream.on('wantTrailers', () => this.#sendTrailers(stream));
      pump.start();
    }
    return stream;
  }

  fail(failure: UpstreamFailure): void {
    if (this.done) return;
    this.#release();
    this.#onFailure(failure);
    this.#sink.onError(failure);
  }

  #release(): void {
    this.done = true;
    this.#pump?.stop();
  }

  #sendTrailers(stream: ClientHttp2Stream): void {
    try {
      stream.sendTrailers(grouped(this.#request.trailers?.() ?? [], {}));
    } catch {
      // The stream has ended meanwhile, and says so by itself.
      stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  #listen(stream: ClientHttp2Stream): void {
    stream.on('headers', (headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      const status = Number(headers[':status']);
      if (this.done || (status === 100 && !this.#request.expectContinue)) return;
      this.#sink.onInformational(status, regular(raw));
    });
    stream.on('response', (headers: IncomingHttpHeaders, flags: number, raw: string[]) => {
      if (this.done) return;
      this.#started = true;
      this.#sink.onHead(Number(headers[':status']), '', regular(raw));
      // gRPC's trailers-only answer must stay one HEADERS frame, so it is told as a whole, not after a tick.
      if (flags & constants.NGHTTP2_FLAG_END_STREAM) this.#end();
    });
    stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      this.#trailers = regular(raw);
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.done && !this.#sink.onData(chunk)) stream.pause();
    });
    stream.on('end', () => {
      // Node ends a stream in the same way for END_STREAM and for a reset without error. A stream that is closed
      // already may be either: then only trailers, which every gRPC answer has, show that the answer is whole.
      const whole = this.#trailers.length > 0 || !stream.closed;
      if (this.#started && whole && stream.rstCode === constants.NGHTTP2_NO_ERROR) this.#end();
    });
    stream.on('error', (error) => {
      this.#error = error;
    });
    stream.on('close', () => this.fail(this.#broken(stream.rstCode)));
  }

  #end(): void {
    if (this.done) return;
    this.#release();
    this.#sink.onEnd(this.#trailers);
    // An answer that came before the upload's end: the rest of it is of no use to anybody.
    const stream = this.#stream;
    if (stream && !stream.writableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #broken(code: number | undefined): UpstreamFailure {
    if (code === undefined || code === constants.NGHTTP2_NO_ERROR || code === constants.NGHTTP2_CANCEL) {
      return brokenFailure(this.#place, this.#error, this.#started);
    }
    return new UpstreamFailure(
      'reset',
      `${this.#place} ended the HTTP/2 stream with error code ${code}${this.#started ? ' within its answer' : ''}.`,
      this.#started,
    );
  }
}
