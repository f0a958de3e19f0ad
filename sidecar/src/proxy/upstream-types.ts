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
  readonly expectContinue: boolean;
}

/** How a response comes back. Nothing is called after `onEnd` or `onError`. */
export interface ResponseSink {
  /** 1xx but 101. 100 is passed only for expectContinue. */
  onInformational(status: number, rawHeaders: readonly string[]): void;
  onHead(status: number, statusText: string, rawHeaders: readonly string[]): void;
  /** False asks for a pause until `UpstreamExchange.resume`. */
  onData(chunk: Buffer): boolean;
  onEnd(rawTrailers: readonly string[]): void;
  onError(error: UpstreamError): void;
  /** The address that the request is sent to, once connected (also for a pooled connection). */
  onConnected(address: string): void;
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
  /** A raw connection (TLS and verified where the scheme is https) for upgrades and tunnels. Rejects with UpstreamError. */
  connect(route: Route, signal: AbortSignal): Promise<{ socket: Duplex; address: string }>;
  /** Closes idle connections now and the rest when they end. */
  close(): Promise<void>;
}
