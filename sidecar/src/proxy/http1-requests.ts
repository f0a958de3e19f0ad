import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { httpTarget } from '../target/http-target.ts';
import type { HttpTarget, Parsed } from '../target/types.ts';
import type { ClientConnections } from './client-connection.ts';
import type { ProxyCore } from './core.ts';
import { ownAnswer, ownAnswerBytes } from './denial.ts';
import { Exchange } from './exchange.ts';
import { Http1Answer } from './http1-answer.ts';

/** Octets of a request line and its header section together. */
const HEAD_OCTETS = 65_536;
/** Silence after which the kernel asks whether the client is still there (tcp(7), SO_KEEPALIVE). */
const KEEP_ALIVE_MS = 60_000;
/** Names and values; the octets alone would let many thousand short ones through. */
const FIELDS = 2_000;
/** Requests of one connection that wait for their answers. Without an end, the client would decide about our memory. */
const MOST_WAITING = 100;
const TOO_MANY_WAITING = `More than ${MOST_WAITING} requests on one connection wait for their answers. Send fewer at a time, or use several connections.`;

/**
 * The one node:http server that reads every HTTP/1.1 request: those of the proxy's port, and those inside tunnels,
 * whose sockets it is given as its own `connection`.
 */
export function createHttp1Server(core: ProxyCore, connections: ClientConnections, idleMs: number): Server {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: HEAD_OCTETS,
    headersTimeout: core.headTimeout,
    // An upload may take as long as it takes, an answer too.
    requestTimeout: 0,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(5_000, core.headTimeout),
    // A client that vanished without a word would hold its tunnel, and what is upstream of it, for ever.
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    // Judged by the target's parser, which says why.
    requireHostHeader: false,
  });
  server.timeout = 0;
  // Node leaves out what is beyond this number, so that two readers would see two requests. The octets are bounded.
  server.maxHeadersCount = 0;
  // A client that has sent its request and closed its side still gets the answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  const run = (request: IncomingMessage, response: ServerResponse, refused?: Parsed<HttpTarget>) => {
    const { socket } = request;
    const connection = connections.of(socket);
    // What the parser had read already when the connection was cut.
    if (socket.destroyed) return;
    if (connection.answers.size >= MOST_WAITING) {
      cut(core, connections, socket, 'too-many-waiting', TOO_MANY_WAITING);
      return;
    }
    const { endpoint, scheme, serverName } = connection;
    const { method = '', rawHeaders, url = '' } = request;
    const parsed =
      request.httpVersionMajor !== 1
        ? anotherVersion(request.httpVersion)
        : rawHeaders.length > 2 * FIELDS
          ? tooManyFields(rawHeaders.length / 2)
          : httpTarget({ scheme, method, requestTarget: url, rawHeaders, endpoint, serverName });
    const incoming = {
      parsed: refused ?? parsed,
      method,
      scheme,
      rawHeaders,
      http2: false,
      body: request,
      ended: false,
      trailers: () => request.rawTrailers,
    };
    new Exchange(core, incoming, new Http1Answer(request, response, connection)).start();
  };
  const runWhole = (request: IncomingMessage, response: ServerResponse) => run(request, response);
  server.on('request', runWhole);
  server.on('checkContinue', runWhole);
  server.on('checkExpectation', runWhole);
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const { socket } = request;
    socket.on('error', () => socket.destroy());
    stream.on('error', () => socket.destroy());
    if (refusedBehindAnswer(core, connections, socket)) return;
    if (head.length > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(request.socket);
    response.on('finish', () => {
      response.detachSocket(request.socket);
      request.socket.destroySoon();
    });
    // Node hands over a stream of its own, not the socket, where a body is still to come.
    run(request, response, stream === socket ? undefined : upgradeWithBody());
  });
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => {
    answerUnreadable(core, connections, error, socket);
  });
  return server;
}

/**
 * Whether a CONNECT or an upgrade came on a connection whose answer to an earlier request is not complete. Two would
 * then write into one connection: it is recorded and cut.
 */
export function refusedBehindAnswer(
  core: ProxyCore,
  connections: ClientConnections,
  socket: Duplex,
): boolean {
  if (connections.of(socket).answers.size === 0) return false;
  const reason =
    'A CONNECT or an upgrade came before the answer to the request in front of it. Wait for that answer, or use a connection of its own.';
  cut(core, connections, socket, 'unreadable-request', reason);
  return true;
}

/** Ends a connection on which no answer of ours can be told from those that are under way. */
function cut(
  core: ProxyCore,
  connections: ClientConnections,
  socket: Duplex,
  error: string,
  reason: string,
): void {
  recordRefused(core, connections, socket, reason).end({ status: null, bytesIn: 0, bytesOut: 0, error });
  socket.destroy();
}

/** The record of what became no request. */
function recordRefused(core: ProxyCore, connections: ClientConnections, socket: Duplex, reason: string) {
  const { endpoint, scheme } = connections.of(socket);
  core.options.metrics.decision('deny', scheme, null, null);
  return core.options.audit.open({
    protocol: scheme,
    method: null,
    url: null,
    host: endpoint?.host ?? null,
    port: endpoint?.port ?? null,
    address: null,
    claimed: [],
    verdict: 'deny',
    rule: null,
    reason,
  });
}

/** Node's parser also takes lines that claim HTTP/0.9 and HTTP/2.0, whose framing would be another. */
function anotherVersion(found: string): Parsed<HttpTarget> {
  const reason = `The request claims HTTP/${found} in the form of HTTP/1. Expected HTTP/1.1 or HTTP/1.0.`;
  return { ok: false, refusal: { status: 400, reason, claimed: [] } };
}

function tooManyFields(found: number): Parsed<HttpTarget> {
  const reason = `The request has ${found} header fields. At most ${FIELDS} are taken.`;
  return { ok: false, refusal: { status: 431, reason, claimed: [] } };
}

function upgradeWithBody(): Parsed<HttpTarget> {
  const reason =
    'The request asks for an upgrade and has a body, so that nobody can say where the new protocol begins. Ask without a body.';
  return { ok: false, refusal: { status: 400, reason, claimed: [] } };
}

/** Answers and records what the parser could not take. Nothing of it is passed on. */
function answerUnreadable(
  core: ProxyCore,
  connections: ClientConnections,
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  socket: Duplex,
): void {
  const isProtocol = error.code?.startsWith('HPE_') || error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (!isProtocol || error.code === 'HPE_INVALID_EOF_STATE') {
    socket.destroy();
    return;
  }
  const connection = connections.of(socket);
  if (connection.closing) return;
  // What else is read from this connection, the parser fails on again: one record and one answer are enough.
  connection.closing = true;
  const { status, reason } = unreadable(error);
  const entry = recordRefused(core, connections, socket, reason);
  const answer = ownAnswer({ status, reason, rule: null }, entry.id, false);
  // Behind an answer that is under way, another would be read as a part of it.
  const answering = connection.answers.size > 0;
  if (answering || !socket.writable) socket.destroy();
  else {
    socket.end(ownAnswerBytes(answer));
    // The rest is read away for a moment: closing over unread bytes would reset the answer off the wire.
    socket.resume();
    setTimeout(() => socket.destroy(), 1_000).unref();
  }
  entry.end({ status: answering ? null : status, bytesIn: 0, bytesOut: 0, error: 'unreadable-request' });
}

function unreadable(error: NodeJS.ErrnoException & { rawPacket?: Buffer }): {
  status: number;
  reason: string;
} {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return { status: 408, reason: 'The head of the request did not come in time.' };
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    const [line, ...more] = error.rawPacket?.toString('latin1').split('\r\n') ?? [''];
    // The packet that was too much still belongs to the request line where that ends in it, or where nothing ends.
    const inTarget = / HTTP\/1\.[01]$/.test(line ?? '') || (more.length === 0 && !line?.includes(' '));
    if (inTarget) return { status: 414, reason: `The request target is over ${HEAD_OCTETS} bytes.` };
    return { status: 431, reason: `The head of the request is over ${HEAD_OCTETS} bytes.` };
  }
  return { status: 400, reason: `This is no HTTP/1.1 request (${error.code}). Nothing of it was sent on.` };
}
