import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type {
  ResponseSink,
  Route,
  UpstreamClient,
  UpstreamError,
  UpstreamExchange,
  UpstreamRequest,
} from '../../sidecar/src/proxy/upstream-types.ts';

/** Everything that an upstream client told of one exchange, in order. */
export class ExchangeRecorder implements ResponseSink {
  readonly informational: { status: number; rawHeaders: readonly string[] }[] = [];
  readonly connected: string[] = [];
  readonly trailers: string[] = [];
  readonly #hash = createHash('sha256');
  readonly #keep: boolean;
  readonly #text: Buffer[] = [];
  readonly #finished = Promise.withResolvers<this>();
  readonly #headed = Promise.withResolvers<this>();
  status = 0;
  statusText = '';
  rawHeaders: readonly string[] = [];
  bytes = 0;
  error: UpstreamError | null = null;
  ended = false;
  upgrade: { socket: Duplex; head: Buffer; rawHeaders: readonly string[] } | null = null;
  exchange: UpstreamExchange | null = null;
  /** Answers each chunk; true unless a test sets another. */
  onChunk: (chunk: Buffer) => boolean = () => true;

  /** @param keep whether the body is kept as text, for small ones */
  constructor(keep = true) {
    this.#keep = keep;
  }

  onInformational(status: number, rawHeaders: readonly string[]): void {
    this.informational.push({ status, rawHeaders });
  }
  onHead(status: number, statusText: string, rawHeaders: readonly string[]): void {
    if (this.status !== 0) throw new Error('two heads');
    this.status = status;
    this.statusText = statusText;
    this.rawHeaders = rawHeaders;
    this.#headed.resolve(this);
  }
  onData(chunk: Buffer): boolean {
    if (this.status === 0 || this.ended || this.error) throw new Error('data out of order');
    this.bytes += chunk.length;
    this.#hash.update(chunk);
    if (this.#keep) this.#text.push(Buffer.from(chunk));
    return this.onChunk(chunk);
  }
  onEnd(rawTrailers: readonly string[]): void {
    if (this.ended || this.error) throw new Error('ended twice');
    this.ended = true;
    this.trailers.push(...rawTrailers);
    this.#finished.resolve(this);
  }
  onError(error: UpstreamError): void {
    if (this.ended || this.error) throw new Error('ended twice');
    this.error = error;
    this.#finished.resolve(this);
    this.#headed.resolve(this);
  }
  onConnected(address: string): void {
    this.connected.push(address);
  }
  get text(): string {
    return Buffer.concat(this.#text).toString();
  }
  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }
  /** The end or the error. */
  get finished(): Promise<this> {
    return this.#finished.promise;
  }
  /** The head or the error. */
  get headed(): Promise<this> {
    return this.#headed.promise;
  }
}

/** As ExchangeRecorder, and takes upgrades. */
export class UpgradeRecorder extends ExchangeRecorder {
  readonly #upgraded = Promise.withResolvers<this>();
  get upgraded(): Promise<this> {
    return this.#upgraded.promise;
  }
  onUpgrade(_statusText: string, rawHeaders: readonly string[], socket: Duplex, head: Buffer): void {
    this.upgrade = { socket, head, rawHeaders };
    this.#upgraded.resolve(this);
  }
}

/** Starts an exchange; what `request` leaves out is a GET of `/` without a body. */
export function exchange<R extends ExchangeRecorder>(
  client: UpstreamClient,
  route: Route,
  request: Partial<UpstreamRequest>,
  recorder: R,
  how: 'request' | 'requestHttp2' = 'request',
): R {
  recorder.exchange = client[how](
    route,
    {
      method: 'GET',
      path: '/',
      headers: ['Host', route.host],
      body: null,
      contentLength: null,
      expectContinue: false,
      ...request,
    },
    recorder,
  );
  return recorder;
}
