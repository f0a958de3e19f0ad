import { createServer } from 'node:http';
import express from 'express';
import type { LoadResult, Mode } from '../policy/types.ts';
import { answerHeaders, reportError } from './answers.ts';
import { closeServer, listenOnPath } from './listen.ts';
import type { Readiness } from './routes.ts';

/** A policy as it is handed in: one file's text, and what stands beside it. */
export interface Submission {
  /** What its faults and its rules call it. */
  readonly file: string;
  readonly text: string;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Beats the file's own; null where it does not speak. */
  readonly mode: Mode | null;
}

export interface SubmissionsOptions {
  /** The unix socket. Whoever can open it (mode 0600) decides what is allowed: it lies where the workspace is not. */
  readonly path: string;
  /** Judges a policy and puts it in force where it loads whole; else nothing changes. */
  submit(submission: Submission): LoadResult;
  ready(): Readiness;
}

/** Octets of a submission. Far above any policy that a person keeps. */
const LARGEST = 8 * 1024 * 1024;

/**
 * Where the policy comes in: `POST /v1/policy` answers 200 with what is in force then, or 422 with every fault;
 * `GET /v1/ready` says whether the boundary stands.
 * @throws ControlListenError, or the system's own error, where the socket cannot be taken
 */
export async function createSubmissions(options: SubmissionsOptions): Promise<{ close(): Promise<void> }> {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(answerHeaders);
  app.get('/v1/ready', (_request, response) => {
    const { ready, reasons } = options.ready();
    response.status(ready ? 200 : 503).json({ ready, reasons });
  });
  app.post('/v1/policy', express.json({ limit: LARGEST }), (request, response) => {
    const submission = readSubmission(request.body);
    if (submission === null) {
      response.status(400).json({ error: 'Expected {"file", "text", "allow", "deny", "mode"} as JSON.' });
      return;
    }
    const result = options.submit(submission);
    if (!result.ok) {
      response.status(422).json({ faults: result.faults });
      return;
    }
    const { policy, warnings } = result;
    response.json({ hash: policy.hash, mode: policy.mode, rules: policy.rules.length, warnings });
  });
  app.use((_request, response) => {
    response.status(404).json({ error: 'There is nothing here. There is: POST /v1/policy, GET /v1/ready.' });
  });
  app.use(reportError);
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, app);
  server.maxConnections = 32;
  await listenOnPath(server, options.path);
  return { close: () => closeServer(server) };
}

/** A submission out of JSON, or null where it is none. */
export function readSubmission(value: unknown): Submission | null {
  if (typeof value !== 'object' || value === null) return null;
  const {
    file,
    text,
    allow = [],
    deny = [],
    mode = null,
  } = value as Partial<Record<keyof Submission, unknown>>;
  if (typeof file !== 'string' || file === '' || typeof text !== 'string') return null;
  if (!isStrings(allow) || !isStrings(deny)) return null;
  if (mode !== null && mode !== 'enforce' && mode !== 'audit') return null;
  return { file, text, allow, deny, mode };
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
