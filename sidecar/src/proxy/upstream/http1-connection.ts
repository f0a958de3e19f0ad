import type { Socket } from 'node:net';
import type { RawReader } from '../upstream-types.ts';
import { brokenFailure, codeOf, UpstreamFailure } from './failure.ts';
import type { Http1Exchange } from './http1-exchange.ts';
import { type BodyMode, ResponseParser } from './response-parser.ts';

/** Who keeps a connection between exchanges. */
export interface ConnectionOwner {
  /** It may carry another exchange. */
  idle(connection: Http1Connection): void;
  closed(connection: Http1Connection): void;
}

// One buffer for all: the kernel's bytes are parsed before the next read, and the parser copies what it hands out.
const READ_BUFFER = new Uint8Array(256 * 1024);

/** One HTTP/1.1 connection to an upstream. It carries one exchange at a time, nothing is pipelined. */
export class Http1Connection {
  readonly #owner: ConnectionOwner;
  readonly #place: string;
  readonly #parser: ResponseParser;
  readonly reader: RawReader;
  #socket: Socket | null = null;
  #exchange: Http1Exchange | null = null;
  #keepAlive = false;
  #error: unknown = null;
  #upgraded = false;
  /** Known once attached. */
  address = '';
  /** performance.now() after which it is not used again, while idle. */
  expires = Number.POSITIVE_INFINITY;
  /** Whether an exchange was done on it: it may have been closed by the upstream since. */
  used = false;

  constructor(owner: ConnectionOwner, place: string) {
    this.#owner = owner;
    this.#place = place;
    this.#parser = new ResponseParser({
      head: (status, statusText, headers, keepAlive) => this.#onHead(status, statusText, headers, keepAlive),
      body: (chunk) => this.#onBody(chunk),
      complete: (trailers) => this.#onComplete(trailers),
    });
    this.reader = { buffer: READ_BUFFER, read: (bytes) => this.#read(bytes) };
  }

  /** Takes the socket that was dialled with `reader`. */
  attach(socket: Socket, address: string): void {
    this.#socket = socket;
    this.address = address;
    socket.on('end', this.#onEnd);
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#onClose());
    socket.on('drain', this.#onDrain);
  }

  /** As `attach`, for a socket that was dialled without `reader`, so that it can be handed over as a stream. */
  attachStream(socket: Socket, address: string): void {
    this.attach(socket, address);
    socket.on('data', this.#onStreamData);
    socket.resume();
  }

  readonly #onDrain = (): void => this.#exchange?.onDrain();

  readonly #onStreamData = (bytes: Buffer): void => {
    if (!this.#read(bytes)) this.#socket?.pause();
  };

  get socket(): Socket {
    if (this.#socket === null) throw new Error('the connection is not attached');
    return this.#socket;
  }

  start(exchange: Http1Exchange): void {
    this.#exchange = exchange;
    this.#keepAlive = true;
    exchange.sendOn(this);
  }

  /** Lets go of an exchange that will not be finished. */
  abandon(): void {
    this.#exchange = null;
    this.destroy();
  }

  destroy(): void {
    this.#socket?.destroy();
  }

  /** Frees what it holds where no socket was attached. */
  release(): void {
    this.#parser.close();
  }

  #fail(failure: UpstreamFailure): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.destroy();
    exchange?.fail(failure);
  }

  #read(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (socket === null || socket.destroyed) return false;
    if (this.#exchange === null) {
      // Bytes that answer nothing: whatever they are, they must not become the next request's answer.
      this.destroy();
      return false;
    }
    let parsed: number;
    try {
      parsed = this.#parser.execute(bytes);
    } catch (error) {
      if (!socket.destroyed) this.#fail(this.#malformed(error));
      return false;
    }
    if (this.#upgraded) this.#handOver(socket, Buffer.from(bytes.subarray(parsed)));
    return !this.#exchange?.paused;
  }

  #malformed(error: unknown): UpstreamFailure {
    const code = codeOf(error);
    let what = `did not answer in HTTP/1.1 (${code})`;
    if (code === 'HPE_HEADER_OVERFLOW') what = 'answered with headers larger than 64 KiB';
    // Not the parser's: whoever took the answer threw, which is a fault of ours and must be found.
    else if (!code.startsWith('HPE_'))
      what = `answered, and boundary failed on the answer (${String(error)})`;
    return new UpstreamFailure('protocol', `${this.#place} ${what}.`, this.#exchange?.started);
  }

  #onHead(status: number, statusText: string, headers: string[], keepAlive: boolean): BodyMode {
    const exchange = this.#exchange;
    if (exchange === null || this.#socket?.destroyed) return 'none';
    if (status === 101) {
      if (exchange.acceptsUpgrade) {
        this.#upgraded = true;
        exchange.upgradeHead(statusText, headers);
      } else {
        this.#fail(new UpstreamFailure('protocol', `${this.#place} switched protocols unasked (101).`));
      }
      return 'raw';
    }
    if (status < 200) {
      exchange.onInformational(status, headers);
      return 'none';
    }
    this.#keepAlive = keepAlive;
    this.expires = performance.now() + idleTime(headers);
    exchange.onHead(status, statusText, headers);
    return exchange.method === 'HEAD' ? 'none' : 'read';
  }

  #onBody(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange !== null && !exchange.onData(chunk)) this.#socket?.pause();
  }

  #onComplete(trailers: string[]): void {
    const exchange = this.#exchange;
    // The end of a 1xx is no end.
    if (exchange === null || !exchange.started || this.#upgraded) return;
    this.#exchange = null;
    const reusable = this.#keepAlive && exchange.sent;
    this.used = true;
    if (!reusable) this.destroy();
    exchange.finish(trailers);
    if (reusable && this.#socket && !this.#socket.destroyed) {
      if (this.#socket.isPaused()) this.#socket.resume();
      this.#owner.idle(this);
    }
  }

  #handOver(socket: Socket, head: Buffer): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    socket.off('end', this.#onEnd).off('drain', this.#onDrain).off('data', this.#onStreamData);
    socket.pause();
    exchange?.upgraded(socket, head);
  }

  readonly #onEnd = (): void => {
    const exchange = this.#exchange;
    if (exchange === null) {
      this.destroy();
      return;
    }
    this.#keepAlive = false;
    // An answer without length ends with its connection; then this completes it.
    if (!this.#parser.finish() || this.#exchange !== null) {
      this.#error ??= { code: 'ECONNRESET' };
      this.destroy();
    }
  };

  #onClose(): void {
    this.#parser.close();
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#owner.closed(this);
    exchange?.fail(brokenFailure(this.#place, this.#error, exchange.started));
  }
}

/** Milliseconds that a connection may idle: the upstream's own `Keep-Alive: timeout` less a second, at most 30 s. */
function idleTime(headers: readonly string[]): number {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'keep-alive') continue;
    const seconds = /(?:^|[,;\s])timeout=(\d{1,6})/i.exec(headers[i + 1] ?? '')?.[1];
    if (seconds !== undefined) return Math.min(30_000, Math.max(0, Number(seconds) * 1000 - 1000));
  }
  return 30_000;
}
