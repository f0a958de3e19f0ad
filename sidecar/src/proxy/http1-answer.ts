import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Answer, AnswerEvents } from './answer.ts';
import type { ClientConnection, EndListener } from './client-connection.ts';
import type { OwnAnswer } from './denial.ts';
import { forwardResponse } from './forwarded-headers.ts';
import { breakOff } from './last-words.ts';

/** Octets of a body that nobody wants which are read away, so that the connection can be kept. */
const DRAIN_OCTETS = 1_048_576;
const DRAIN_MS = 10_000;
/** What was malformed may be misread further on. */
const ENDING: ReadonlySet<number> = new Set([400, 414, 431, 501]);
/** The kernel tells of a gone peer only with the write after the one that it answered with a reset. */
const PROBE_MS = 100;

/** The way back over HTTP/1.1, on node:http's own response. */
export class Http1Answer implements Answer, EndListener {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #connection: ClientConnection;
  slot = -1;
  #bodyBegun = false;

  constructor(request: IncomingMessage, response: ServerResponse, connection: ClientConnection) {
    this.#request = request;
    this.#response = response;
    this.#connection = connection;
  }

  get started(): boolean {
    return this.#response.headersSent;
  }

  listen(events: AnswerEvents): void {
    this.#response.on('drain', () => events.drained());
    this.#connection.answers.add(this);
    this.#response.on('close', () => {
      this.#connection.answers.delete(this);
      events.gone();
    });
  }

  /**
   * The client closed its side. It may only have said everything (nc does so with its request), or it is gone: the
   * packets are the same. Before an answer began an interim one finds out, since it is harmless to whoever still
   * listens; within an answer it is taken for gone.
   */
  clientEnded(): void {
    if (this.#response.writableEnded) return;
    if (this.started || this.#request.httpVersionMinor === 0) {
      if (this.started) this.#request.socket.destroy();
      return;
    }
    this.#response.writeProcessing();
    setTimeout(() => {
      if (!this.started && !this.#response.destroyed) this.#response.writeProcessing();
    }, PROBE_MS);
  }

  informational(status: number, rawHeaders: readonly string[]): void {
    // HTTP/1.0 knows no interim answers (RFC 9110 section 15.2).
    if (this.started || this.#request.httpVersionMinor === 0) return;
    if (status === 100) this.#response.writeContinue();
    else this.#response.writeInformation(status, forwardResponse(rawHeaders, false));
  }

  head(status: number, statusText: string, rawHeaders: readonly string[]): void {
    const { httpVersionMinor, method } = this.#request;
    const headers = forwardResponse(rawHeaders, httpVersionMinor === 1 && method !== 'HEAD');
    this.#response.writeHead(status, statusText || (STATUS_CODES[status] ?? ''), headers);
    // node:http keeps a head back until a body comes, which for a stream of events may be minutes.
    process.nextTick(flush, this);
  }

  flush(): void {
    if (!this.#bodyBegun && !this.#response.destroyed) this.#response.flushHeaders();
  }

  data(chunk: Buffer): boolean {
    this.#bodyBegun = true;
    return this.#response.write(chunk);
  }

  end(rawTrailers: readonly string[]): void {
    this.#bodyBegun = true;
    this.#drainRequest();
    if (rawTrailers.length > 0 && this.#response.chunkedEncoding)
      this.#response.addTrailers(paired(forwardResponse(rawTrailers, false)));
    this.#response.end();
  }

  own(answer: OwnAnswer): void {
    this.#bodyBegun = true;
    // What waits for 100 may send its body or not.
    const ends = ENDING.has(answer.status) || this.#expects();
    if (ends) this.#connection.closing = true;
    const headers = ends ? [...answer.headers, 'Connection', 'close'] : answer.headers;
    this.#response.writeHead(answer.status, answer.statusText, headers);
    if (!ends) this.#drainRequest();
    this.#response.end(answer.body);
  }

  upgrade(statusText: string, rawHeaders: readonly string[]): Duplex {
    const socket = this.#request.socket;
    this.#response.detachSocket(socket);
    const headers = forwardResponse(rawHeaders, false);
    headers.push('Connection', 'Upgrade', 'Upgrade', this.#request.headers.upgrade ?? 'websocket');
    let head = `HTTP/1.1 101 ${statusText || STATUS_CODES[101]}\r\n`;
    for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    socket.write(`${head}\r\n`, 'latin1');
    return socket;
  }

  cut(): void {
    const { socket, httpVersionMinor } = this.#request;
    // An HTTP/1.0 client takes the end of the connection for the end of the body; a reset it cannot.
    if (httpVersionMinor === 0) breakOff(socket);
    else socket.destroy();
  }

  #expects(): boolean {
    return !this.#request.complete && this.#request.headers.expect !== undefined;
  }

  /** Reads a body away that is of no use any more, within bounds: its bytes are never taken for a request. */
  #drainRequest(): void {
    const request = this.#request;
    if (request.complete || request.destroyed || !hasBody(request)) return;
    let left = DRAIN_OCTETS;
    const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS).unref();
    request.removeAllListeners('data');
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) request.socket.destroy();
    });
    request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
    request.resume();
  }
}

function flush(answer: Http1Answer): void {
  answer.flush();
}

function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  return coding !== undefined || (length !== undefined && length !== '0');
}

function paired(raw: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] as string, raw[i + 1] as string]);
  return pairs;
}
