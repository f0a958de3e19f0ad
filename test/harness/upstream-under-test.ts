import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { after } from 'node:test';
import type { TlsOptions } from 'node:tls';
import { createMetrics } from '../../sidecar/src/metrics/create-metrics.ts';
import { createUpstream } from '../../sidecar/src/proxy/upstream/create-upstream.ts';
import type { Route, UpstreamClient } from '../../sidecar/src/proxy/upstream-types.ts';
import { createTestCa } from './test-ca.ts';

/** The CA that {@link client} trusts. */
export const ca = createTestCa();
/** For `upstream.test` and 127.0.0.1. */
export const leaf = ca.issue(['upstream.test', '127.0.0.1']);

const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

/** An upstream client that trusts {@link ca} alone; closed after the tests of the file. */
export function client(connectTimeoutMs?: number): UpstreamClient {
  const made = createUpstream({
    ca: [ca.caPem],
    metrics: createMetrics().metrics,
    ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
  });
  closers.push(() => void made.close());
  return made;
}

/** Lets a server listen on a free port of 127.0.0.1; closed after the tests of the file. */
export async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The route to an https server that answers `secret`. */
export async function https(options: TlsOptions, host = 'upstream.test'): Promise<Route> {
  const server = createHttpsServer(options, (request, response) => {
    response.setHeader('X-Version', request.httpVersion);
    response.end('secret');
  });
  closers.push(() => server.closeAllConnections());
  return { scheme: 'https', host, port: await portOf(server), addresses: ['127.0.0.1'] };
}
