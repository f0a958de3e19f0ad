import type { Metrics } from '../../metrics/types.ts';
import type { ResponseSink, Route, UpstreamExchange, UpstreamRequest } from '../upstream-types.ts';
import { type Dialler, dial, placeOf } from './dial.ts';
import { UpstreamFailure } from './failure.ts';
import { Http1Connection } from './http1-connection.ts';
import { type ExchangeOwner, Http1Exchange } from './http1-exchange.ts';
import { requestHead } from './request-head.ts';

/** Routes that are remembered; beyond, the longest unused one loses its idle connections. */
const MAX_ROUTES = 256;
/** Connections per route; further requests wait for one. */
const MAX_CONNECTIONS = 512;
/** Of these, how many are kept while nobody uses them. */
const MAX_IDLE = 128;
const SWEEP_MS = 1_000;

const NOTHING: readonly string[] = [];

interface RoutePool {
  readonly route: Route;
  /** The freshest last: it is the least likely to have been closed meanwhile. */
  readonly idle: Http1Connection[];
  readonly waiting: Http1Exchange[];
  /** Connections that stand or are being made. */
  open: number;
  session: Buffer | undefined;
  /** Forgotten: connections that come back are closed. */
  retired: boolean;
}

/** The kept HTTP/1.1 connections of one client, per route: other judged addresses are another route. */
export class Http1Pool {
  readonly #dialler: Dialler;
  readonly #metrics: Metrics;
  readonly #pools = new Map<string, RoutePool>();
  readonly #dialling = new Map<Http1Exchange, AbortController>();
  readonly #sweeper: NodeJS.Timeout;
  #closed: (() => void) | null = null;
  #open = 0;

  constructor(dialler: Dialler, metrics: Metrics) {
    this.#dialler = dialler;
    this.#metrics = metrics;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  request(route: Route, request: UpstreamRequest, sink: ResponseSink): UpstreamExchange {
    const pool = this.#poolOf(route);
    const proxy = route.scheme === 'http' ? this.#dialler.proxy : null;
    const upgrading = sink.onUpgrade !== undefined && asksUpgrade(request.headers);
    let head = '';
    let invalid: UpstreamFailure | null = null;
    try {
      const absolute = proxy !== null && !upgrading;
      head = requestHead(
        request,
        absolute ? `http://${placeOf(route)}` : '',
        absolute ? proxy.authorization : NOTHING,
      );
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      invalid = error;
    }
    const owner: ExchangeOwner = {
      retry: (exchange) => this.#dial(pool, exchange, false),
      withdraw: (exchange) => this.#withdraw(pool, exchange),
      failed: (failure) => this.#metrics.upstreamError(failure.kind),
    };
    const exchange = new Http1Exchange(owner, request, sink, head);
    if (invalid) {
      const failure = invalid;
      process.nextTick(() => exchange.fail(failure));
    } else if (upgrading) this.#dial(pool, exchange, true);
    else this.#send(pool, exchange);
    return exchange;
  }

  /** Closes what is idle; resolves when the rest has ended. */
  close(): Promise<void> {
    clearInterval(this.#sweeper);
    return new Promise((resolve) => {
      this.#closed = resolve;
      for (const pool of this.#pools.values()) this.#closeIdle(pool);
      if (this.#open === 0) resolve();
    });
  }

  #poolOf(route: Route): RoutePool {
    const key = `${route.scheme} ${route.host} ${route.port} ${route.addresses.join(' ')}`;
    let pool = this.#pools.get(key);
    if (pool) {
      if (this.#pools.size > MAX_ROUTES / 2) {
        this.#pools.delete(key);
        this.#pools.set(key, pool);
      }
      return pool;
    }
    pool = { route, idle: [], waiting: [], open: 0, session: undefined, retired: false };
    this.#pools.set(key, pool);
    if (this.#pools.size > MAX_ROUTES) {
      const [oldest, unused] = this.#pools.entries().next().value ?? [];
      if (oldest !== undefined && unused) {
        this.#pools.delete(oldest);
        unused.retired = true;
        this.#closeIdle(unused);
      }
    }
    return pool;
  }

  #send(pool: RoutePool, exchange: Http1Exchange): void {
    const now = performance.now();
    for (let connection = pool.idle.pop(); connection; connection = pool.idle.pop()) {
      if (connection.expires > now && !connection.socket.destroyed) {
        connection.start(exchange);
        return;
      }
      connection.destroy();
    }
    if (pool.open >= MAX_CONNECTIONS) pool.waiting.push(exchange);
    else this.#dial(pool, exchange, false);
  }

  #dial(pool: RoutePool, exchange: Http1Exchange, upgrade: boolean): void {
    pool.open++;
    this.#open++;
    const connection = new Http1Connection(
      { idle: (freed) => this.#idle(pool, freed), closed: () => this.#gone(pool, true) },
      placeOf(pool.route),
    );
    const abort = new AbortController();
    this.#dialling.set(exchange, abort);
    const start = performance.now();
    const dialled = dial(this.#dialler, pool.route, {
      alpn: ['http/1.1'],
      halfOpen: upgrade,
      signal: abort.signal,
      tunnel: upgrade,
      session: pool.session,
      onSession: (session) => {
        pool.session = session;
      },
      ...(!upgrade && { reader: connection.reader }),
    });
    dialled.then(
      ({ socket, address }) => {
        this.#metrics.connectTime((performance.now() - start) / 1000);
        this.#metrics.connectionOpened('upstream');
        this.#dialling.delete(exchange);
        if (upgrade) connection.attachStream(socket, address);
        else connection.attach(socket, address);
        if (exchange.done) connection.destroy();
        else connection.start(exchange);
      },
      (error: unknown) => {
        this.#dialling.delete(exchange);
        connection.release();
        this.#gone(pool, false);
        if (exchange.done) return;
        exchange.fail(
          error instanceof UpstreamFailure
            ? error
            : new UpstreamFailure('connect', `${placeOf(pool.route)} cannot be connected to.`),
        );
      },
    );
  }

  #withdraw(pool: RoutePool, exchange: Http1Exchange): void {
    const index = pool.waiting.indexOf(exchange);
    if (index >= 0) pool.waiting.splice(index, 1);
    this.#dialling.get(exchange)?.abort();
  }

  #idle(pool: RoutePool, connection: Http1Connection): void {
    const next = pool.waiting.shift();
    const unwanted = this.#closed !== null || pool.retired || pool.idle.length >= MAX_IDLE;
    if (next) connection.start(next);
    else if (unwanted || connection.expires <= performance.now()) connection.destroy();
    else pool.idle.push(connection);
  }

  #gone(pool: RoutePool, opened: boolean): void {
    pool.open--;
    this.#open--;
    if (opened) this.#metrics.connectionClosed('upstream');
    const next = pool.waiting.shift();
    if (next) this.#dial(pool, next, false);
    else if (this.#open === 0) this.#closed?.();
  }

  #closeIdle(pool: RoutePool): void {
    for (const connection of pool.idle.splice(0)) connection.destroy();
  }

  #sweep(): void {
    const now = performance.now();
    for (const pool of this.#pools.values()) {
      if (pool.idle.length === 0) continue;
      const kept = pool.idle.filter((connection) => {
        const keep = connection.expires > now && !connection.socket.destroyed;
        if (!keep) connection.destroy();
        return keep;
      });
      pool.idle.splice(0, pool.idle.length, ...kept);
    }
  }
}

function asksUpgrade(headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (name.length === 7 && name.toLowerCase() === 'upgrade') return true;
  }
  return false;
}
