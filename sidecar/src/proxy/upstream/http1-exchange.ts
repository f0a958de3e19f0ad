import type { Socket } from 'node:net';
import type { ResponseSink, UpstreamExchange, UpstreamRequest } from '../upstream-types.ts';
import { BodyPump } from './body-pump.ts';
import { UpstreamFailure } from './failure.ts';
import type { Http1Connection } from './http1-connection.ts';
import { chunkedEnd } from './request-head.ts';

/** RFC 9110 section 9.2.2. Only these are sent twice, and only where the upstream had closed a kept connection. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** What the pool does for an exchange. */
export interface ExchangeOwner {
  /** Sends it again on a new connection. */
  retry(exchange: Http1Exchange): void;
  /** It was aborted before it had a connection. */
  withdraw(exchange: Http1Exchange): void;
  failed(failure: UpstreamFailure): void;
}

/** One request and its response over HTTP/1.1. */
export class Http1Exchange implements UpstreamExchange {
  readonly #owner: ExchangeOwner;
  readonly #request: UpstreamRequest;
  readonly #sink: ResponseSink;
  readonly #head: string;
  #connection: Http1Connection | null = null;
  #pump: BodyPump | null = null;
  #left: number;
  #onUsed = false;
  #retried = false;
  #done = false;
  #upgrade: { statusText: string; headers: readonly string[] } | null = null;
  /** The final response's head has come. */
  started = false;
  /** The sink asked for a pause. */
  paused = false;
  /** The whole request was written. */
  sent = false;

  constructor(owner: ExchangeOwner, request: UpstreamRequest, sink: ResponseSink, head: string) {
    this.#owner = owner;
    this.#request = request;
    this.#sink = sink;
    this.#head = head;
    this.#left = request.contentLength ?? 0;
  }

  get method(): string {
    return this.#request.method;
  }

  get acceptsUpgrade(): boolean {
    return this.#sink.onUpgrade !== undefined && !this.started;
  }

  get done(): boolean {
    return this.#done;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#connection?.socket.resume();
  }

  abort(): void {
    if (this.#done) return;
    this.#release();
    const connection = this.#connection;
    if (connection) connection.abandon();
    else this.#owner.withdraw(this);
  }

  /** Writes the request. Called by the connection that carries it. */
  sendOn(connection: Http1Connection): void {
    this.#connection = connection;
    this.#onUsed = connection.used;
    this.#sink.onConnected(connection.address);
    if (this.#done) return;
    const socket = connection.socket;
    const body = this.#request.body;
    if (body === null) {
      this.sent = true;
      socket.write(this.#head, 'latin1');
      return;
    }
    // The head and the first piece of a body that is there already leave together.
    socket.cork();
    socket.write(this.#head, 'latin1');
    const sized = this.#request.contentLength !== null;
    this.#pump = new BodyPump(body, {
      write: (chunk) => (sized ? this.#writeSized(socket, chunk) : this.#writeChunk(socket, chunk)),
      end: () => this.#bodyEnd(socket, sized),
      broken: () =>
        this.#give(new UpstreamFailure('reset', 'The request broke off within its body.', this.started)),
    });
    this.#pump.start();
    process.nextTick(() => socket.uncork());
  }

  onDrain(): void {
    this.#pump?.drained();
  }

  onInformational(status: number, headers: readonly string[]): void {
    if (this.#done || (status === 100 && !this.#request.expectContinue)) return;
    this.#sink.onInformational(status, headers);
  }

  onHead(status: number, statusText: string, headers: readonly string[]): void {
    this.started = true;
    if (!this.#done) this.#sink.onHead(status, statusText, headers);
  }

  /** @returns false where the connection is to be paused */
  onData(chunk: Buffer): boolean {
    if (this.#done) return true;
    if (!this.#sink.onData(chunk)) this.paused = true;
    return !this.paused;
  }

  finish(trailers: readonly string[]): void {
    if (this.#done) return;
    this.#release();
    this.#sink.onEnd(trailers);
  }

  upgradeHead(statusText: string, headers: readonly string[]): void {
    this.#upgrade = { statusText, headers };
  }

  upgraded(socket: Socket, head: Buffer): void {
    if (this.#done || !this.#upgrade) {
      socket.destroy();
      return;
    }
    this.#release();
    this.#sink.onUpgrade?.(this.#upgrade.statusText, this.#upgrade.headers, socket, head);
  }

  /** The connection or the dial failed; it may be tried once more. */
  fail(failure: UpstreamFailure): void {
    if (this.#done) return;
    const stale =
      failure.kind === 'reset' &&
      this.#onUsed &&
      !this.started &&
      !this.#retried &&
      this.#request.body === null;
    if (stale && IDEMPOTENT.has(this.#request.method)) {
      this.#retried = true;
      this.#connection = null;
      this.sent = false;
      this.#owner.retry(this);
      return;
    }
    this.#release();
    this.#owner.failed(failure);
    this.#sink.onError(failure);
  }

  #release(): void {
    this.#done = true;
    this.#pump?.stop();
  }

  #give(failure: UpstreamFailure): void {
    if (this.#done) return;
    this.#release();
    this.#connection?.abandon();
    this.#sink.onError(failure);
  }

  #writeSized(socket: Socket, chunk: Buffer): boolean {
    this.#left -= chunk.length;
    if (this.#left >= 0) return socket.write(chunk);
    // More would be read as another request.
    this.#give(new UpstreamFailure('protocol', 'The request has more body than it announced.', this.started));
    return false;
  }

  #writeChunk(socket: Socket, chunk: Buffer): boolean {
    if (chunk.length === 0) return true;
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }

  #bodyEnd(socket: Socket, sized: boolean): void {
    if (sized && this.#left !== 0) {
      this.#give(
        new UpstreamFailure('protocol', 'The request has less body than it announced.', this.started),
      );
      return;
    }
    try {
      if (!sized) socket.write(chunkedEnd(this.#request.trailers?.() ?? []), 'latin1');
      this.sent = true;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      this.#give(error);
    }
  }
}
