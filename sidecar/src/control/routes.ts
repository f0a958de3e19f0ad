import express, { type Express, type RequestHandler } from 'express';
import type { Registry } from '../metrics/create-metrics.ts';
import type { Policy, PolicyFault } from '../policy/types.ts';
import { answerHeaders, reportError } from './answers.ts';
import { requireOwnHost, requireToken } from './guard.ts';
import { explanationView, policyView } from './policy-view.ts';

export interface Readiness {
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
}

export interface ControlRoutes {
  /** What `/v1` needs. */
  readonly token: string;
  readonly registry: Registry;
  policy(): Policy;
  /** What the loader of the policy in force warned of. */
  warnings?(): readonly PolicyFault[];
  ready(): Readiness;
}

const paths = ['/healthz', '/readyz', '/metrics', '/v1/policy', '/v1/explain'];

/**
 * The control plane as an express app. Health and metrics are open, `/v1` needs the token. Reads alone: nothing here
 * changes what is allowed. Every answer that is not metrics is JSON, errors as `{"error": "..."}`.
 * @param checksHost false where Host means nothing: on a unix socket
 */
export function controlRoutes(routes: ControlRoutes, checksHost: boolean): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.enable('strict routing');
  app.enable('case sensitive routing');

  app.use(answerHeaders);
  if (checksHost) app.use(requireOwnHost);
  app.use(readsOnly);
  app.use('/v1', requireToken(routes.token));

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/readyz', (_request, response) => {
    const { ready, reasons } = routes.ready();
    response.status(ready ? 200 : 503).json({ ready, reasons });
  });
  app.get('/metrics', async (_request, response) => {
    const text = await routes.registry.render();
    response.set('Content-Type', routes.registry.contentType).send(text);
  });
  app.get('/v1/policy', (_request, response) => {
    response.json(policyView(routes.policy(), routes.warnings?.() ?? []));
  });
  app.get('/v1/explain', (request, response) => {
    const { method, url } = request.query;
    if (typeof method !== 'string' || typeof url !== 'string') {
      response.status(400).json({
        error:
          'Say what to explain: exactly one method and one url, as in /v1/explain?method=GET&url=https%3A%2F%2F...',
      });
      return;
    }
    response.json(explanationView(routes.policy(), method, url));
  });

  app.use((_request, response) => {
    response.status(404).json({ error: `There is nothing here. There is: ${paths.join(', ')}.` });
  });
  app.use(reportError);
  return app;
}

const readsOnly: RequestHandler = (request, response, next) => {
  if (request.method === 'GET' || request.method === 'HEAD') {
    next();
    return;
  }
  response
    .status(405)
    .set('Allow', 'GET, HEAD')
    .json({ error: `${request.method} is not done here; GET is.` });
};
