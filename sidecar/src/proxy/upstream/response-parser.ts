/** How the body of a response is to be read. */
export type BodyMode = 'read' | 'none' | 'raw';

/** What the parser tells, in the order of the bytes. */
export interface ResponseEvents {
  /**
   * A response head, also a 1xx. `none`: no body follows although its headers may say so (HEAD). `raw`: what follows
   * is not HTTP any more (101, a successful CONNECT); `execute` then returns at the first byte behind the head.
   */
  head(status: number, statusText: string, rawHeaders: string[], keepAlive: boolean): BodyMode;
  body(chunk: Buffer): void;
  complete(rawTrailers: string[]): void;
}

/** The part of Node's own parser (llhttp) that is used here; node:http sits on the same object. */
interface NativeParser {
  [event: number]: unknown;
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void;
  execute(bytes: Uint8Array): number | Error;
  finish(): number | Error | undefined;
  close(): void;
}
interface NativeParserClass {
  new (): NativeParser;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

// node:http's client cannot be used without a ClientRequest and an IncomingMessage per request, which cost more than
// all the rest of a small exchange; undici copies every body into WebAssembly, lower-cases and moves Host, adds
// Connection, and cannot send trailers. So the connection is ours and the parser is Node's, by the only name that Node
// gives it. The runtime is pinned, and a test fails where the name is gone.
const { HTTPParser } = process.getBuiltinModule('node:_http_common') as unknown as {
  HTTPParser: NativeParserClass;
};

/** A response head that is larger is refused. Trailers count by themselves. */
const MAX_HEADER_BYTES = 64 * 1024;

const NO_HEADERS: string[] = [];

/** Parses the responses of one connection, one after the other. */
export class ResponseParser {
  #parser: NativeParser | null;

  constructor(events: ResponseEvents) {
    const parser = new HTTPParser();
    parser.initialize(HTTPParser.RESPONSE, {}, MAX_HEADER_BYTES, HTTPParser.kLenientNone);
    // llhttp hands over 32 pairs at a time where there are more, and trailers the same way.
    let pending = NO_HEADERS;
    parser[HTTPParser.kOnHeaders] = (headers: string[]) => {
      pending = pending.length === 0 ? headers : pending.concat(headers);
    };
    parser[HTTPParser.kOnHeadersComplete] = (
      _major: number,
      _minor: number,
      headers: string[] | undefined,
      _method: unknown,
      _url: unknown,
      status: number,
      statusText: string,
      _upgrade: boolean,
      keepAlive: boolean,
    ): number => {
      const all = headers === undefined ? pending : pending.length === 0 ? headers : pending.concat(headers);
      pending = NO_HEADERS;
      const mode = events.head(status, statusText, all, keepAlive);
      // 0: read the body; 1: there is none; 2: stop here, the rest is another protocol.
      return mode === 'read' ? 0 : mode === 'none' ? 1 : 2;
    };
    parser[HTTPParser.kOnBody] = (chunk: Buffer) => events.body(chunk);
    parser[HTTPParser.kOnMessageComplete] = () => {
      const trailers = pending;
      pending = NO_HEADERS;
      events.complete(trailers);
    };
    this.#parser = parser;
  }

  /**
   * Parses `bytes`, which may be reused afterwards: body chunks are copies.
   * @returns how many bytes were parsed; fewer than given only after `raw`
   * @throws Error with llhttp's `code` and `reason`
   */
  execute(bytes: Uint8Array): number {
    if (this.#parser === null) return bytes.length;
    const result = this.#parser.execute(bytes);
    if (typeof result === 'number') return result;
    throw result;
  }

  /** The connection's end: completes a body that ends with it. False where the end came too early. */
  finish(): boolean {
    return !(this.#parser?.finish() instanceof Error);
  }

  /** Gives the native parser back. May be called from within its own events. */
  close(): void {
    const parser = this.#parser;
    this.#parser = null;
    // Its C++ stack must have unwound first.
    if (parser) setImmediate(() => parser.close());
  }
}
