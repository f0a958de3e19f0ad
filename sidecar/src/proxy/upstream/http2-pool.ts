import { type ClientHttp2Session, connect } from 'node:http2';
import type { Metrics } from '../../metrics/types.ts';
import type { ResponseSink, Route, UpstreamExchange, UpstreamRequest } from '../upstream-types.ts';
import { type Dialler, dial, placeOf } from './dial.ts';
import { UpstreamFailure } from './failure.ts';
import { Http2Exchange } from './http2-exchange.ts';

/** Streams that one connection carries before another is made. */
const STREAMS_PER_SESSION = 100;
const SESSIONS_PER_ROUTE = 16;
const IDLE_MS = 30_000;
/** Per stream and for all of a connection; the default of 64 KiB makes every far upstream slow. */
const STREAM_WINDOW = 1024 * 1024;
const SESSION_WINDOW = 16 * 1024 * 1024;

interface Session {
  readonly http2: ClientHttp2Session;
  readonly address: string;
  streams: number;
  idle: NodeJS.Timeout | null;
}

interface RoutePool {
  readonly sessions: Set<Session>;
  dialling: Promise<Session> | null;
}

/** The HTTP/2 connections of one client, per route. A route without connections is forgotten. */
export class Http2Pool {
  readonly #dialler: Dialler;
  readonly #metrics: Metrics;
  readonly #pools = new Map<string, RoutePool>();
  readonly #stop = new AbortController();
  #open = 0;
  #closed: (() => void) | null = null;

  constructor(dialler: Dialler, metrics: Metrics) {
    this.#dialler = dialler;
    this.#metrics = metrics;
  }

  request(route: Route, request: UpstreamRequest, sink: ResponseSink): UpstreamExchange {
    const exchange = new Http2Exchange(placeOf(route), request, sink, (failure) =>
      this.#metrics.upstreamError(failure.kind),
    );
    const key = `${route.scheme} ${route.host} ${route.port} ${route.addresses.join(' ')}`;
    this.#session(key, route).then(
      (session) => this.#start(session, route, exchange),
      (error: unknown) =>
        exchange.fail(
          error instanceof UpstreamFailure
            ? error
            : new UpstreamFailure('connect', `The connection to ${placeOf(route)} was given up.`),
        ),
    );
    return exchange;
  }

  /** Refuses new dials; resolves when the last stream has ended. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve;
      this.#stop.abort();
      for (const pool of this.#pools.values()) for (const session of pool.sessions) session.http2.close();
      if (this.#open === 0) resolve();
    });
  }

  async #session(key: string, route: Route): Promise<Session> {
    let pool = this.#pools.get(key);
    if (!pool) {
      pool = { sessions: new Set(), dialling: null };
      this.#pools.set(key, pool);
    }
    let least: Session | null = null;
    for (const session of pool.sessions) {
      if (!session.http2.closed && (least === null || session.streams < least.streams)) least = session;
    }
    const limit = Math.min(
      STREAMS_PER_SESSION,
      least?.http2.remoteSettings?.maxConcurrentStreams ?? STREAMS_PER_SESSION,
    );
    if (least && (least.streams < limit || pool.sessions.size >= SESSIONS_PER_ROUTE)) return least;
    // Requests that come while a connection is being made share it.
    pool.dialling ??= this.#connect(key, pool, route);
    return pool.dialling;
  }

  async #connect(key: string, pool: RoutePool, route: Route): Promise<Session> {
    const start = performance.now();
    try {
      const { socket, address, alpn } = await dial(this.#dialler, route, {
        alpn: ['h2'],
        halfOpen: false,
        signal: this.#stop.signal,
        tunnel: true,
      });
      if (route.scheme === 'https' && alpn !== 'h2') {
        socket.destroy();
        throw new UpstreamFailure(
          'protocol',
          `${placeOf(route)} does not offer HTTP/2, which this request (gRPC) needs.`,
        );
      }
      const http2 = connect(`${route.scheme}://${placeOf(route)}`, {
        createConnection: () => socket,
        settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
        maxSessionMemory: 64,
      });
      http2.setLocalWindowSize(SESSION_WINDOW);
      const session: Session = { http2, address, streams: 0, idle: null };
      pool.sessions.add(session);
      this.#open++;
      this.#metrics.connectTime((performance.now() - start) / 1000);
      this.#metrics.connectionOpened('upstream');
      const drop = (): void => {
        pool.sessions.delete(session);
        this.#forget(key, pool);
      };
      // Streams report the session's errors each by itself.
      http2.on('error', drop);
      http2.on('goaway', drop);
      http2.once('close', () => {
        drop();
        if (session.idle) clearTimeout(session.idle);
        this.#open--;
        this.#metrics.connectionClosed('upstream');
        if (this.#open === 0) this.#closed?.();
      });
      return session;
    } finally {
      pool.dialling = null;
      this.#forget(key, pool);
    }
  }

  #forget(key: string, pool: RoutePool): void {
    if (pool.sessions.size === 0 && pool.dialling === null && this.#pools.get(key) === pool) {
      this.#pools.delete(key);
    }
  }

  #start(session: Session, route: Route, exchange: Http2Exchange): void {
    if (exchange.done) {
      this.#rest(session);
      return;
    }
    if (session.http2.closed || session.http2.destroyed) {
      exchange.fail(
        new UpstreamFailure('reset', `${placeOf(route)} closed its HTTP/2 connection; try again.`),
      );
      return;
    }
    if (session.idle) clearTimeout(session.idle);
    session.idle = null;
    const stream = exchange.startOn(session.http2, route.scheme, session.address);
    if (!stream) {
      this.#rest(session);
      return;
    }
    session.streams++;
    stream.once('close', () => {
      session.streams--;
      this.#rest(session);
    });
  }

  /** Closes a session that stays without streams. */
  #rest(session: Session): void {
    if (session.streams > 0 || session.idle) return;
    session.idle = setTimeout(() => session.http2.close(), IDLE_MS).unref();
  }
}
