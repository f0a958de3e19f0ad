import type { Duplex, Readable } from 'node:stream';
import type { UpstreamErrorKind } from '../metrics/types.ts';

/** Where to dial. `addresses` were judged, are tried in order, and nothing else is ever dialled. Empty only
 *  when chaining through a corporate proxy, which resolves by itself. */
export interface Route {
  readonly scheme: 'http' | 'https' | 'tcp';
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
}

export interface UpstreamRequest {
  readonly method: string;
  /** path and query, or `*` */
  readonly path: string;
  /** Raw name, value, name, value ... in the client's order and case. Hop-by-hop already removed; with Host. */
  readonly headers: readonly string[];
  /** Null where the request has no body. */
  readonly body: Readable | null;
  /** Known length of the body, or null for chunked. */
  readonly contentLength: number | null;
  /** The request has `Expect: 100-continue`; its body is sent when it comes, the client decides when. */
  readonly expectContinue: boolean;
  /** Raw trailers of the request, asked for once, after the body's end. Absent means none. */
  readonly trailers?: () => readonly string[];
}

/**
 * How a response comes back. Nothing is called after `onEnd`, `onError` or `onUpgrade`, nor after `abort`. Only
 * `onConnected` may be called before `request` has returned. Where a response has no body, `onHead` and `onEnd` come in the same tick.
 * The request's body stays the caller's: on an error, or when the answer ends before the body, it is paused and left.
 */
export interface ResponseSink {
  /** 1xx but 101. 100 is passed only for expectContinue. */
  onInformational(status: number, rawHeaders: readonly string[]): void;
  onHead(status: number, statusText: string, rawHeaders: readonly string[]): void;
  /** False asks for a pause until `UpstreamExchange.resume`; what was already read may still come. */
  onData(chunk: Buffer): boolean;
  onEnd(rawTrailers: readonly string[]): void;
  onError(error: UpstreamError): void;
  /** The address that the request is sent to, once connected (also for a pooled connection). */
  onConnected(address: string): void;
  /**
   * A 101 to a request whose headers ask for an upgrade (`Connection` and `Upgrade` are then among them): from here
   * on the connection is the caller's. `head`: bytes that came behind the 101. Without this method a 101 is an error.
   */
  onUpgrade?(statusText: string, rawHeaders: readonly string[], socket: Duplex, head: Buffer): void;
}

/** Takes a raw connection's bytes without a stream in between (node:net, `onread`). */
export interface RawReader {
  /** What to read into. Ignored where the bytes come out of TLS or a proxy's tunnel. */
  readonly buffer: Uint8Array | (() => Uint8Array);
  /** `bytes` is valid during the call alone. False pauses until `socket.resume()`. */
  read(bytes: Uint8Array): boolean;
}

export interface UpstreamExchange {
  resume(): void;
  /** Cancels: the upstream connection of an unfinished exchange is closed. */
  abort(): void;
}

/** `started`: response bytes had come. `status`: what to answer when nothing was sent yet (502 or 504). */
export interface UpstreamError {
  readonly kind: UpstreamErrorKind;
  readonly status: 502 | 504;
  /** for people, names the host, never a secret */
  readonly message: string;
  readonly started: boolean;
}

export interface UpstreamClient {
  request(route: Route, request: UpstreamRequest, sink: ResponseSink): UpstreamExchange;
  /** As `request`, over HTTP/2 to the upstream (gRPC): trailers both ways, also trailers-only. */
  requestHttp2(route: Route, request: UpstreamRequest, sink: ResponseSink): UpstreamExchange;
  /**
   * A raw connection (TLS and verified where the scheme is https) for tunnels, half-open allowed. With `reader` the
   * bytes go there and no 'data' is emitted; 'end' still is. Rejects with UpstreamError.
   */
  connect(
    route: Route,
    signal: AbortSignal,
    reader?: RawReader,
  ): Promise<{ socket: Duplex; address: string }>;
  /** Closes idle connections now and the rest when they end. */
  close(): Promise<void>;
}
