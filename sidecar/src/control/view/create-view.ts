import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import type { RecentDecision, RecentDecisions } from '../../audit/recent-decisions.ts';
import type { Policy } from '../../policy/types.ts';
import { explanationView } from '../policy-view.ts';
import { readViewAssets } from '../view-assets.ts';
import { decisionView } from './decision-view.ts';
import { type DeniedView, deniedView, remedyOf } from './denial-view.ts';
import { type DoctorFindings, readDoctorReport } from './doctor-report.ts';
import { EventStreams } from './event-streams.ts';
import { page } from './page.ts';
import { filters } from './page-decisions.ts';
import type { Detail } from './page-detail.ts';
import { type DoctorReport, type StateView, stateView, type ViewState } from './state-view.ts';
import { viewHeaders } from './view-headers.ts';

export type { ViewState } from './state-view.ts';

export interface ViewOptions {
  readonly recent: RecentDecisions;
  /** Asked once per page and, while somebody watches, up to six times a second. */
  state(): ViewState;
  policy(): Policy;
  /** The certificate of the boundary's CA. */
  caPem(): string;
  /** The trust bundle: `/bundle.pem`, where there is one. */
  bundlePem?(): string;
  /** Told of every report of `boundary doctor` that was taken. */
  doctor?(findings: DoctorFindings): void;
}

export interface View {
  /** For `http.createServer`. Any Host is taken: Coder's proxy sends names that are not known here. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /** Ends the event streams. */
  close(): void;
}

/** Most decisions of an answer; as many as are remembered unless they were told otherwise. */
const mostDecisions = 400;
/** How many of them the page itself holds; scripts load the rest. */
const pageDecisions = 100;
/** Most places of `/api/denied`, and of the page. */
const mostPlaces = 50;
const pagePlaces = 20;
/** Milliseconds for which an answer about what is denied most serves everybody who asks. */
const placesMs = 500;

const paths = [
  '/',
  '/healthz',
  '/ca.pem',
  '/api/state',
  '/api/decisions',
  '/api/denied',
  '/api/explain',
  '/api/events',
  '/v1/doctor (POST)',
];

/**
 * What a workspace may see of its own boundary: a page and the API behind it. It reads; the one thing it takes is what
 * `boundary doctor` says of the workspace, which decides nothing. Who asks is the workspace or whoever it lets ask, so
 * nothing here holds a secret: no value of `inject`, no query value, no key.
 */
export function createView(options: ViewOptions): View {
  const { recent } = options;
  let doctor: DoctorReport | null = null;
  const state = (): StateView => stateView(options.state(), options.policy(), recent, doctor);
  const streams = new EventStreams(recent, () => JSON.stringify(state()));
  const denied = deniedMost(options);

  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.use(viewHeaders(() => options.state().deployment));

  app.post('/v1/doctor', express.json({ limit: '4kb', type: 'application/json' }), (request, response) => {
    if (!request.is('application/json')) {
      response
        .status(415)
        .json({ error: 'The report is no JSON. Send it with Content-Type: application/json.' });
      return;
    }
    const findings = readDoctorReport(request.body);
    if (typeof findings === 'string') {
      response.status(400).json({ error: findings });
      return;
    }
    doctor = { time: Date.now(), findings };
    options.doctor?.(findings);
    response.status(204).end();
  });
  app.use((request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD') {
      next();
      return;
    }
    const allow = request.path === '/v1/doctor' ? 'POST' : 'GET, HEAD';
    response
      .status(405)
      .set('Allow', allow)
      .json({ error: `${request.method} is not done here; ${allow} is.` });
  });

  app.get('/', (request, response) => {
    const { verdict, id } = request.query;
    const content = page({
      state: state(),
      decisions: recent.latest(pageDecisions).map(decisionView),
      denied: denied().slice(0, pagePlaces),
      filter: filters.find(({ value }) => value === verdict)?.value ?? 'all',
      detail: typeof id !== 'string' ? 'nothing' : (detailOf(options, recent.find(id)) ?? 'forgotten'),
      now: Date.now(),
    });
    response.type('html').send(content);
  });
  for (const [name, { type, body }] of readViewAssets()) {
    app.get(`/${name}`, (_request, response) => {
      response.set('Content-Type', type).send(body);
    });
  }
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/ca.pem', (_request, response) => {
    sendPem(response, options.caPem());
  });
  app.get('/bundle.pem', (_request, response, next) => {
    const bundle = options.bundlePem?.();
    if (bundle === undefined) next();
    else sendPem(response, bundle);
  });
  app.get('/api/state', (_request, response) => {
    response.json(state());
  });
  app.get('/api/decisions', (request, response) => {
    const limit = readLimit(request, response, 100, mostDecisions);
    if (limit === null) return;
    response.json({ decisions: recent.latest(limit).map(decisionView) });
  });
  app.get('/api/denied', (request, response) => {
    const limit = readLimit(request, response, pagePlaces, mostPlaces);
    if (limit === null) return;
    response.json({ denied: denied().slice(0, limit) });
  });
  app.get('/api/explain', (request, response) => explain(options, request, response));
  app.get('/api/events', (request, response) => {
    if (request.method === 'HEAD') {
      response.type('text/event-stream').end();
    } else if (streams.full) {
      response
        .status(503)
        .set('Retry-After', '10')
        .json({ error: 'As many event streams are open as there may be. Close one, or ask /api/decisions.' });
    } else {
      streams.open(response, lastEventId(request));
    }
  });
  endRoutes(app);
  return { handler: app, close: () => streams.close() };
}

/** What is denied most, made anew at most twice a second: each place is judged for it. */
function deniedMost({ recent, policy }: ViewOptions): () => readonly DeniedView[] {
  let made: { at: number; policy: Policy; denied: readonly DeniedView[] } | null = null;
  return () => {
    const inForce = policy();
    const now = performance.now();
    if (made === null || made.policy !== inForce || now - made.at > placesMs) {
      const denied = recent.deniedMost(mostPlaces).map((place) => deniedView(inForce, recent.run, place));
      made = { at: now, policy: inForce, denied };
    }
    return made.denied;
  };
}

function detailOf({ policy }: ViewOptions, found: RecentDecision | null): Detail | null {
  if (found === null) return null;
  const remedy = found.request.verdict === 'allow' ? null : remedyOf(policy(), found.request);
  return { decision: decisionView(found), remedy };
}

/** `?id=` of a request that was judged here, or `?method=` and `?url=` of one that somebody thinks of. */
function explain(options: ViewOptions, request: Request, response: Response): void {
  const { id, method, url } = request.query;
  if (typeof id === 'string') {
    const detail = detailOf(options, options.recent.find(id));
    if (detail !== null) response.json(detail);
    else {
      response
        .status(404)
        .json({ error: 'This request is not remembered here any more. The audit log has it under its id.' });
    }
  } else if (typeof method === 'string' && typeof url === 'string') {
    response.json(explanationView(options.policy(), method, url));
  } else {
    response.status(400).json({
      error:
        'Say what to explain: one id (as in /api/explain?id=RUN-SEQ), or one method and one url (?method=GET&url=https%3A%2F%2F...).',
    });
  }
}

function lastEventId({ headers, query }: Request): string | null {
  const given = headers['last-event-id'] ?? query.after;
  return typeof given === 'string' && given !== '' ? given : null;
}

function sendPem(response: Response, pem: string): void {
  response.set('Content-Type', 'application/x-pem-file').send(pem);
}

function readLimit({ query }: Request, response: Response, unless: number, most: number): number | null {
  const { limit } = query;
  if (limit === undefined) return unless;
  const number = typeof limit === 'string' && /^\d{1,6}$/.test(limit) ? Number(limit) : 0;
  if (number >= 1) return Math.min(number, most);
  response.status(400).json({ error: `The limit cannot be read. Expected one number from 1 to ${most}.` });
  return null;
}

function endRoutes(app: Express): void {
  app.use((_request, response) => {
    response.status(404).json({ error: `There is nothing here. There is: ${paths.join(', ')}.` });
  });
  app.use(reportError);
}

/** Four parameters make it an error handler. A fault of ours is named by its class alone: messages may hold secrets. */
const reportError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const status = statusOf(error);
  if (status !== null) {
    response.status(status).json({
      error:
        status === 413
          ? 'The body is too large. At most 4 KiB are taken.'
          : 'The request cannot be read: its path holds a malformed percent escape, or its body is no JSON.',
    });
    return;
  }
  const name = error instanceof Error ? error.name : typeof error;
  response.status(500).json({ error: `The view failed (${name}). This is a fault of boundary.` });
};

/** The status of an error that is the client's: express and its body parser give it one. */
function statusOf(error: unknown): number | null {
  if (error instanceof URIError) return 400;
  if (typeof error !== 'object' || error === null || !('status' in error)) return null;
  const { status } = error;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
}
