import { createSecureContext } from 'node:tls';
import type { Metrics } from '../../metrics/types.ts';
import type { UpstreamClient } from '../upstream-types.ts';
import { parseCorporateProxy } from './corporate-proxy.ts';
import { type Dialler, dial, placeOf } from './dial.ts';
import { UpstreamFailure } from './failure.ts';
import { Http1Pool } from './http1-pool.ts';
import { Http2Pool } from './http2-pool.ts';

export interface UpstreamOptions {
  /** PEM certificates to trust: the system's roots and the operator's own. */
  readonly ca: readonly string[];
  /** Everything goes through this proxy (`http://user:password@host:port`), names unresolved. */
  readonly proxy?: { readonly url: string };
  /** Told of connect times, open connections and errors by kind; first bytes and body bytes are the caller's. */
  readonly metrics: Metrics;
  /** For connecting, handshakes included; 30,000 unless told. */
  readonly connectTimeoutMs?: number;
}

/**
 * The one way to the outside. It dials the addresses of a route and looks nothing up, but the corporate proxy's own.
 * There is no time limit once a connection stands: a model may think for ten minutes.
 * @throws Error where the proxy's address cannot be read
 */
export function createUpstream(options: UpstreamOptions): UpstreamClient {
  const { metrics } = options;
  const dialler: Dialler = {
    context: createSecureContext({ ca: [...options.ca], minVersion: 'TLSv1.2' }),
    proxy: options.proxy ? parseCorporateProxy(options.proxy.url) : null,
    timeoutMs: options.connectTimeoutMs ?? 30_000,
  };
  const http1 = new Http1Pool(dialler, metrics);
  const http2 = new Http2Pool(dialler, metrics);
  return {
    request: (route, request, sink) => http1.request(route, request, sink),
    requestHttp2: (route, request, sink) => http2.request(route, request, sink),
    async connect(route, signal, reader) {
      const start = performance.now();
      try {
        const { socket, address } = await dial(dialler, route, {
          alpn: ['http/1.1'],
          halfOpen: true,
          signal,
          tunnel: true,
          ...(reader && { reader }),
        });
        metrics.connectTime((performance.now() - start) / 1000);
        metrics.connectionOpened('upstream');
        socket.once('close', () => metrics.connectionClosed('upstream'));
        return { socket, address };
      } catch (error) {
        if (error instanceof UpstreamFailure) {
          metrics.upstreamError(error.kind);
          throw error;
        }
        throw new UpstreamFailure('connect', `The connection to ${placeOf(route)} was given up.`);
      }
    },
    async close() {
      await Promise.all([http1.close(), http2.close()]);
    },
  };
}
