import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import { type WebSocket, WebSocketServer } from 'ws';
import { Arrivals } from './arrivals.ts';
import type { TestCa } from './test-ca.ts';
import { type Handler, startUpstream, type Upstream } from './upstream.ts';

/** By what name a sidecar in Docker reaches a server of this machine. */
export const HOST_NAME = 'host.docker.internal';
/** Beside the stand-in itself, so that the download has the size of something. */
const BALLAST = 4_000_000;

/** One `GET /derp` that was upgraded: bytes both ways from here on. */
export interface DerpConnection {
  readonly socket: Duplex;
  /** What the client sent right behind its request. */
  readonly early: Buffer;
  readonly fastStart: boolean;
}

/** A long poll: the events go where they are written, one by one. */
export interface EventStream {
  send(data: string): void;
  end(): void;
}

/**
 * A local https server that plays the Coder deployment as far as an agent's network traffic goes. It is not Coder: there
 * is no Coder server in these tests. What it speaks over the rpc WebSocket is the stand-in agent's, not yamux and dRPC.
 */
export interface Deployment extends AsyncDisposable {
  readonly upstream: Upstream;
  /** The access URL, without a slash at its end. */
  readonly url: string;
  /** SHA-256 of the certificate that it shows, in hex with colons. */
  readonly fingerprint: string;
  /** What `/bin/coder-linux-amd64` holds: the stand-in agent. */
  readonly binary: Buffer;
  readonly rpc: Arrivals<WebSocket>;
  readonly events: Arrivals<EventStream>;
  readonly derp: Arrivals<DerpConnection>;
}

/** Starts the stand-in on a free port of every address. */
export async function startDeployment(ca: TestCa): Promise<Deployment> {
  const binary = standInAgent();
  const zipped = gzipSync(binary, { level: 1 });
  const rpc = new Arrivals<WebSocket>();
  const events = new Arrivals<EventStream>();
  const derp = new Arrivals<DerpConnection>();
  const handler: Handler = (request, response) => {
    if (!(request instanceof IncomingMessage) || !(response instanceof ServerResponse)) return;
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://deployment');
    if (pathname === '/bin/coder-linux-amd64') {
      const zip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
      response.setHeader('content-type', 'application/octet-stream');
      if (zip) response.setHeader('content-encoding', 'gzip');
      response.end(zip ? zipped : binary);
    } else if (pathname === '/api/v2/workspaceagents/me/reinit' && searchParams.get('wait') === 'true') {
      response.setHeader('content-type', 'text/event-stream');
      response.flushHeaders();
      events.push({
        send: (data) => void response.write(`data: ${data}\n\n`),
        end: () => void response.end(),
      });
    } else if (pathname === '/derp/latency-check') {
      response.end();
    } else if (pathname === '/derp') {
      response.statusCode = 426;
      response.end('DERP requires connection upgrade\n');
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
  const pair = ca.issue([HOST_NAME]);
  const upstream = await startUpstream({
    handler,
    host: '0.0.0.0',
    tls: { ca: { caPem: ca.caPem, issue: () => pair }, hosts: [HOST_NAME] },
  });
  const sockets = new WebSocketServer({ noServer: true });
  upstream.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { pathname } = new URL(request.url ?? '/', 'https://deployment');
    const protocol = request.headers.upgrade?.toLowerCase();
    socket.on('error', () => socket.destroy());
    if (pathname === '/api/v2/workspaceagents/me/rpc' && protocol === 'websocket') {
      if (!request.headers['coder-session-token']) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => rpc.push(client));
    } else if (pathname === '/derp' && protocol === 'derp') {
      const fastStart = request.headers['derp-fast-start'] === '1';
      if (!fastStart) {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n');
      }
      derp.push({ socket, early: head, fastStart });
    } else {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
    }
  });
  return {
    upstream,
    url: `https://${HOST_NAME}:${upstream.port}`,
    fingerprint: new X509Certificate(pair.cert).fingerprint256,
    binary,
    rpc,
    events,
    derp,
    [Symbol.asyncDispose]: () => upstream.close(),
  };
}

/** The stand-in's source as a program that Node runs under any name, and some megabytes that do not compress. */
function standInAgent(): Buffer {
  const source = readFileSync(join(import.meta.dirname, 'standin-agent.ts'), 'utf8');
  const { code } = transformSync(source, { loader: 'ts', format: 'esm' });
  const program = `#!/usr/bin/env -S node --use-system-ca\n${code}`;
  return Buffer.from(`${program}\n// ${randomBytes(BALLAST / 2).toString('hex')}\n`);
}
