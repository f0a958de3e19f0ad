import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Registry } from '../metrics/create-metrics.ts';
import { answerHeaders, reportError } from './answers.ts';
import { closeServer, listening } from './listen.ts';
import type { Readiness } from './routes.ts';

export interface MetricsListenerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly registry: Registry;
  ready(): Readiness;
}

/**
 * A listener that other machines may reach: metrics, whether the process lives and whether it is ready, and nothing
 * else. Nothing of it is secret, and nothing comes from a request but labels of finite sets.
 * @throws the system's error (EADDRINUSE, EACCES, ...)
 */
export async function createMetricsListener(
  options: MetricsListenerOptions,
): Promise<{ readonly address: { host: string; port: number }; close(): Promise<void> }> {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(answerHeaders);
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/readyz', (_request, response) => {
    const { ready, reasons } = options.ready();
    response.status(ready ? 200 : 503).json({ ready, reasons });
  });
  app.get('/metrics', async (_request, response) => {
    const text = await options.registry.render();
    response.set('Content-Type', options.registry.contentType).send(text);
  });
  app.use((_request, response) => {
    response.status(404).json({ error: 'There is nothing here. There is: /metrics, /healthz, /readyz.' });
  });
  app.use(reportError);
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5000 },
    app,
  );
  server.maxConnections = 64;
  await listening(server, () => server.listen(options.listen.port, options.listen.host));
  const { address, port } = server.address() as AddressInfo;
  return { address: { host: address, port }, close: () => closeServer(server) };
}
