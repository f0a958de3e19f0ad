import { once } from 'node:events';
import { createServer as createHttp, type IncomingMessage, type Server } from 'node:http';
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import type { TestCa } from './test-ca.ts';

type Request = IncomingMessage | Http2ServerRequest;
/** What both kinds of response have in common. */
export interface Response {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  addTrailers(trailers: Record<string, string>): unknown;
  write(chunk: string | Buffer): boolean;
  end(): unknown;
  end(chunk: string | Buffer): unknown;
  destroy(error?: Error): unknown;
  on(event: 'drain', listener: () => void): unknown;
}

export type Handler = (request: Request, response: Response) => void;

/** A server that an allowed or forbidden client may reach, and that knows how much reached it. */
export interface Upstream {
  readonly port: number;
  /** Requests as they came, heads alone. */
  readonly requests: { method: string; url: string; httpVersion: string; rawHeaders: readonly string[] }[];
  readonly server: NetServer;
  /** TCP connections accepted so far. */
  connections(): number;
  /** Octets received on all of them. 0 says that nothing escaped. */
  bytes(): number;
  close(): Promise<void>;
}

export interface UpstreamOptions {
  /** Plain HTTP without it. */
  readonly tls?: { readonly ca: TestCa; readonly hosts: readonly string[] };
  /** Offer HTTP/2 beside HTTP/1.1. */
  readonly http2?: boolean;
  /** Default: 200 with the method, the URL and the length of the body. */
  readonly handler?: Handler;
  /** Default: 127.0.0.1. `0.0.0.0` for clients that come by a name of this machine. */
  readonly host?: string;
}

/** Starts an upstream on a free port. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const requests: Upstream['requests'] = [];
  const handler: Handler = (request, response) => {
    const { method = '', url = '', httpVersion, rawHeaders } = request;
    requests.push({ method, url, httpVersion, rawHeaders });
    (options.handler ?? describeRequest)(request, response);
  };
  const server = listener(options, handler);
  const sockets = new Set<Socket>();
  let connections = 0;
  let closedBytes = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => {
      closedBytes += socket.bytesRead;
      sockets.delete(socket);
    });
  });
  server.listen(0, options.host ?? '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    server,
    connections: () => connections,
    bytes: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, closedBytes),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function listener(options: UpstreamOptions, handler: Handler): Server | Http2SecureServer {
  if (options.tls === undefined) return createHttp(handler);
  const pair = options.tls.ca.issue(options.tls.hosts);
  return options.http2
    ? createSecureServer({ ...pair, allowHTTP1: true }, handler)
    : createHttps(pair, handler);
}

function describeRequest(request: Request, response: Response): void {
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
  });
  request.on('end', () => {
    const body = `${request.method} ${request.url} ${length}\n`;
    response.statusCode = 200;
    response.setHeader('content-type', 'text/plain');
    response.setHeader('content-length', String(body.length));
    response.end(body);
  });
}
