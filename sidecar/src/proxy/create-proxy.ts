import type { ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Endpoint } from '../target/types.ts';
import { ClientConnections } from './client-connection.ts';
import { handleConnect } from './connect.ts';
import type { Live, ProxyCore } from './core.ts';
import { createHttp1Server, refusedBehindAnswer } from './http1-requests.ts';
import { serveHttp2 } from './http2-requests.ts';
import { openTls, watchOpened } from './open-tls.ts';
import { reachesOwn } from './own-listeners.ts';
import { handleRedirected } from './redirected.ts';
import { createRuleLimits } from './rule-limits.ts';
import { SlotSet } from './slot-set.ts';
import { recordDenied } from './spoken-inside.ts';
import type { ListenAddress, ProxyOptions, RunningProxy } from './types.ts';

const HEAD_MS = 30_000;
const IDLE_MS = 120_000;
const MAX_CONNECTIONS = 8_192;
/** Silence after which the kernel asks whether the client is still there (tcp(7), SO_KEEPALIVE). */
const KEEP_ALIVE_MS = 60_000;
const DRAIN_CHECK_MS = 20;
/** For connections that were just made to become requests. */
const SETTLE_MS = 1_000;
/** For the last bytes of answers, once all are given. */
const LEAVE_MS = 500;

/**
 * Starts the explicit proxy: absolute-form HTTP and CONNECT on one port.
 * Rejects with the listener's error (`EADDRINUSE`, `EACCES`) where the address cannot be taken.
 */
export async function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  let address: ListenAddress = options.listen;
  const core: ProxyCore = {
    options,
    limits: createRuleLimits(),
    live: new SlotSet<Live>(),
    headTimeout: options.timeouts?.head ?? HEAD_MS,
    isOwn: (dialled, port) =>
      reachesOwn([address], dialled, port) || reachesOwn(options.ownListeners(), dialled, port),
  };
  const idleMs = options.timeouts?.idle ?? IDLE_MS;
  const connections = new ClientConnections();
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Duplex>();
  const server = createHttp1Server(core, connections, idleMs);
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  server.on('drop', () => recordDropped(options, server.maxConnections));
  const count = (socket: Socket) => {
    sockets.add(socket);
    options.metrics.connectionOpened('client');
    socket.once('close', () => {
      sockets.delete(socket);
      options.metrics.connectionClosed('client');
    });
  };
  server.on('connection', (socket: Socket) => {
    if (connections.has(socket)) return;
    connections.note(socket, { endpoint: null, scheme: 'http', serverName: null });
    count(socket);
  });
  const fronts = {
    connections,
    plain(socket: Duplex, endpoint: Endpoint) {
      connections.note(socket, { endpoint, scheme: 'http', serverName: null });
      watchOpened(core, socket, endpoint);
      server.emit('connection', socket);
      // It was paused while its first bytes were looked at, and those are in its buffer again.
      socket.resume();
    },
    open(socket: Duplex, endpoint: Endpoint, serverName: string | null) {
      openTls(core, socket, endpoint, {
        http1(tls) {
          connections.note(tls, { endpoint, scheme: 'https', serverName });
          server.emit('connection', tls);
        },
        http2(session) {
          sessions.add(session);
          closeWhenIdle(session, idleMs);
          session.once('close', () => sessions.delete(session));
          serveHttp2(core, session, endpoint, serverName);
        },
      });
    },
  };
  server.on('connect', (request, socket, head) => {
    if (!refusedBehindAnswer(core, connections, socket)) handleConnect(core, fronts, request, socket, head);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.listen.host, port: options.listen.port, backlog: 1_024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  address = { host: bound.address, port: bound.port };

  return {
    address,
    redirected(socket, endpoint) {
      if (sockets.size >= server.maxConnections) {
        socket.on('error', () => {});
        recordDropped(options, server.maxConnections);
        socket.resetAndDestroy();
        return;
      }
      count(socket);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      handleRedirected(core, fronts, socket, endpoint);
    },
    refuseRedirected(socket, destination, reason) {
      socket.on('error', () => {});
      const target =
        destination === null ? null : ({ kind: 'tunnel', protocol: 'tcp', ...destination } as const);
      recordDenied(core, target, { reason }).end({ status: null, bytesIn: 0, bytesOut: 0, error: null });
      socket.resetAndDestroy();
    },
    policyChanged() {
      const policy = options.policy();
      for (const live of core.live) if (live.refusedBy(policy)) live.close('policy-changed');
    },
    async drain(ms) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      const began = performance.now();
      const until = began + ms;
      const settled = began + Math.min(ms, SETTLE_MS);
      const working = () => [...core.live].some((live) => live.kind === 'work');
      const closePending = () => {
        for (const live of core.live) if (live.kind === 'pending') live.close('stopping');
      };
      // What was accepted a moment ago has asked for nothing yet, or is within its handshake.
      const settling = () => sockets.size > 0 && performance.now() < settled;
      while (settling() || (working() && performance.now() < until)) {
        if (!settling()) closePending();
        server.closeIdleConnections();
        await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
      }
      for (const live of core.live) if (live.kind !== 'opened') live.close('stopping');
      // What was just answered is still on its way: it leaves before the connection is closed.
      server.closeIdleConnections();
      for (const session of sessions) session.close();
      const leftUntil = performance.now() + LEAVE_MS;
      while (sockets.size > 0 && performance.now() < leftUntil) {
        server.closeIdleConnections();
        await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
      }
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Node has closed a connection that there was no room for. */
function recordDropped({ audit, metrics }: ProxyOptions, most: number): void {
  const reason = `No more than ${most} client connections are taken at a time. Close some, and try again.`;
  metrics.decision('deny', 'tcp', null, null);
  const unknown = { method: null, url: null, host: null, port: null, address: null, claimed: [] };
  const entry = audit.open({ protocol: 'tcp', ...unknown, verdict: 'deny', rule: null, reason });
  entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: 'too-many-connections' });
}

/** As for HTTP/1.1: a connection on which nothing is asked ends, one whose answer takes long does not. */
function closeWhenIdle(session: ServerHttp2Session, idleMs: number): void {
  let open = 0;
  session.on('stream', (stream) => {
    open++;
    stream.once('close', () => open--);
  });
  session.setTimeout(idleMs, () => {
    if (open === 0) session.close();
  });
}
