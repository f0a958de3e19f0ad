import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuditLog } from '../../sidecar/src/audit/create-audit-log.ts';
import { type RecentDecisions, watched } from '../../sidecar/src/audit/recent-decisions.ts';
import type { AuditLog } from '../../sidecar/src/audit/types.ts';
import { createView, type View, type ViewState } from '../../sidecar/src/control/view/create-view.ts';
import type { DoctorFindings } from '../../sidecar/src/control/view/doctor-report.ts';
import { createMetrics } from '../../sidecar/src/metrics/create-metrics.ts';
import type { Policy } from '../../sidecar/src/policy/types.ts';
import { type ProxyUnderTest, startProxy } from '../proxy/proxy-under-test.ts';

export interface ViewUnderTest {
  readonly proxy: ProxyUnderTest;
  readonly recent: RecentDecisions;
  /** For verdicts that no request could bring about. */
  readonly audit: AuditLog;
  /** Where the view itself listens, without a reverse proxy. */
  readonly port: number;
  /** What the doctor's reports came to, in their order. */
  readonly reports: DoctorFindings[];
  /** Changes what the view is told of the boundary. */
  setState(change: Partial<ViewState>): void;
  use(policy: Policy): void;
  /** Stops and starts the view's server on the same port, as a restart of the sidecar does. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** A whole proxy with a real audit log, and the view of it. */
export async function startView(options: {
  readonly policy: Policy;
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly state?: Partial<ViewState>;
}): Promise<ViewUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-view-'));
  const { metrics } = createMetrics();
  const file = { path: join(directory, 'audit.log'), maxBytes: 1 << 20, keep: 1 };
  const { audit, recent } = watched(createAuditLog({ metrics, file }));
  const proxy = await startProxy({
    policy: options.policy,
    ...(options.names && { names: options.names }),
    proxy: { audit },
  });
  let { policy } = options;
  let state: ViewState = {
    workspace: 'dev',
    owner: 'alice',
    version: '0.1.0',
    readiness: { ready: true, reasons: [] },
    startedAt: recent.since,
    policySince: recent.since,
    isolation: 'container',
    gateConnected: true,
    audit: { healthy: true, droppedLines: 0 },
    deployment: 'https://coder.example.com',
    ...options.state,
  };
  const reports: DoctorFindings[] = [];
  let port = 0;
  let view: View | null = null;
  let server: Server | null = null;
  const start = async () => {
    view = createView({
      recent,
      state: () => state,
      policy: () => policy,
      caPem: () => proxy.caPem,
      doctor: (findings) => reports.push(findings),
    });
    server = createServer(view.handler).listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const stop = async () => {
    view?.close();
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    server = null;
    await closed;
  };
  await start();
  return {
    proxy,
    recent,
    audit,
    port,
    reports,
    setState(change) {
      state = { ...state, ...change };
    },
    use(next) {
      policy = next;
      proxy.use(next);
    },
    start,
    stop,
    async close() {
      await stop();
      await proxy.close();
      await audit.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Sends one request through the proxy and reads its answer to the end. */
export async function ask(
  proxy: ProxyUnderTest,
  method: string,
  url: string,
  body?: string,
): Promise<number> {
  const sent = request({ host: '127.0.0.1', port: proxy.port, method, path: url, agent: false });
  sent.setHeader('Host', new URL(url).host);
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode ?? 0;
}

/**
 * What Coder puts in front of an app: a reverse proxy that takes requests below a prefix, strips it, and lets bytes
 * through as they come. Anything else is answered 404, as a place that is not the app's.
 * @param prefix `/@alice/dev.main/apps/boundary` or '' for a subdomain
 * @returns its port, the paths that were asked for outside of the prefix, and its end
 */
export async function startReverseProxy(port: () => number, prefix: string) {
  const outside: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    if (!path.startsWith(`${prefix}/`)) {
      outside.push(path);
      outgoing.writeHead(404).end();
      return;
    }
    const inner = request({
      host: '127.0.0.1',
      port: port(),
      method: incoming.method,
      path: path.slice(prefix.length),
      headers: incoming.headers,
      agent: false,
    });
    inner.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      outgoing.flushHeaders();
      response.pipe(outgoing);
      response.on('error', () => outgoing.destroy());
    });
    inner.on('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502</h1>');
    });
    outgoing.on('close', () => inner.destroy());
    incoming.pipe(inner);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    outside,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
