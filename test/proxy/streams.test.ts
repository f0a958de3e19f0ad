import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as http2Connect } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createTestCa } from '../harness/test-ca.ts';
import { type Response, startUpstream, type Upstream } from '../harness/upstream.ts';
import {
  exchangeRaw,
  LOOPBACK,
  openTlsTunnel,
  openTunnel,
  type ProxyUnderTest,
  policyOf,
  readAll,
  readUntil,
  startProxy,
} from './proxy-under-test.ts';

const ca = createTestCa();
let plain: Upstream;
let secure: Upstream;
let boundary: ProxyUnderTest;
/** The response that the upstream holds open, for tests that finish it by themselves. */
let held: ((response: Response) => void) | null = null;

before(async () => {
  const handler = (
    request: { url?: string | undefined; pipe(to: NodeJS.WritableStream): unknown },
    response: Response,
  ) => {
    if (request.url === '/echo') request.pipe(response as unknown as NodeJS.WritableStream);
    else if (held !== null) held(response);
    else response.end('early');
  };
  plain = await startUpstream({ handler });
  secure = await startUpstream({ tls: { ca, hosts: ['a.test'] }, handler });
  boundary = await startProxy({
    upstreamCa: ca,
    policy: policyOf([
      { domains: ['a.test'], cidrs: LOOPBACK, ports: 'any' },
      { domains: ['raw.test'], cidrs: LOOPBACK, ports: [{ from: 1024, to: 65535 }], protocol: 'tcp' },
      { domains: ['a.test'], paths: ['/denied/*'], effect: 'deny' },
    ]),
  });
});
after(async () => {
  await boundary.close();
  await plain.close();
  await secure.close();
});

function get(path: string, options: { method?: string; agent?: Agent } = {}) {
  return httpRequest({
    host: '127.0.0.1',
    port: boundary.port,
    path: `http://a.test:${plain.port}${path}`,
    headers: { Host: `a.test:${plain.port}` },
    ...options,
  });
}

test('the head of an answer comes before its body, and each event before the next', async () => {
  const started = new Promise<Response>((resolve) => {
    held = resolve;
  });
  const request = get('/sse');
  request.end();
  const upstream = await started;
  held = null;
  upstream.setHeader('content-type', 'text/event-stream');
  upstream.write('data: 1\n\n');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  for (const n of [1, 2, 3]) {
    const [chunk] = await once(response, 'data');
    assert.equal(String(chunk), `data: ${n}\n\n`);
    if (n < 3) upstream.write(`data: ${n + 1}\n\n`);
  }
  upstream.end();
  await once(response, 'end');
});

test('a head without a body yet is not held back', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const socket = connect(boundary.port, '127.0.0.1');
  socket.write(`GET http://a.test:${address.port}/ HTTP/1.1\r\nHost: a.test:${address.port}\r\n\r\n`);
  assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 200/);
  socket.destroy();
  server.close();
});

test('an upstream that breaks off is no clean end, over HTTP/1.1, HTTP/1.0 and HTTP/2', async () => {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', () =>
        socket.destroy(),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const url = `http://a.test:${address.port}/`;
  const answer = await exchangeRaw(
    boundary.port,
    `GET ${url} HTTP/1.1\r\nHost: a.test:${address.port}\r\n\r\n`,
  );
  assert.match(answer, /5\r\nhello\r\n$/);
  assert.equal((await boundary.lastEnded()).outcome?.error, 'upstream-reset');
  const socket = connect(boundary.port, '127.0.0.1');
  socket.resume();
  const failed = once(socket, 'error');
  socket.write(`GET ${url} HTTP/1.0\r\nHost: a.test:${address.port}\r\n\r\n`);
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  server.close();

  held = (response) => {
    response.write('half');
    setImmediate(() => response.destroy());
  };
  const session = await http2(secure.port);
  const stream = session.request({ ':path': '/broken', ':authority': `a.test:${secure.port}` });
  stream.resume();
  const [error] = await once(stream, 'error');
  assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/);
  held = null;
  session.destroy();
});

async function http2(port: number) {
  const tls = await openTlsTunnel(boundary.port, `a.test:${port}`, {
    ca: boundary.caPem,
    ALPNProtocols: ['h2'],
  });
  return http2Connect(`https://a.test:${port}`, { createConnection: () => tls });
}

test('a client that goes away cancels its request upstream', async () => {
  const started = new Promise<Response>((resolve) => {
    held = resolve;
  });
  const request = get('/slow');
  request.on('error', () => {});
  request.end();
  const upstream = await started;
  held = null;
  const closed = once(upstream as unknown as NodeJS.EventEmitter, 'close');
  request.destroy();
  await closed;
  assert.equal((await boundary.lastEnded()).outcome?.error, 'client-abort');
});

test('64 MiB go up and down with one hash, over TLS and HTTP/2', async () => {
  const session = await http2(secure.port);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/echo',
    ':authority': `a.test:${secure.port}`,
  });
  const sent = createHash('sha256');
  const got = createHash('sha256');
  const block = Buffer.alloc(262_144, 'x');
  stream.on('data', (chunk: Buffer) => got.update(chunk));
  for (let i = 0; i < 256; i++) {
    sent.update(block);
    if (!stream.write(block)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'end');
  assert.equal(got.digest('hex'), sent.digest('hex'));
  session.destroy();
  const record = await boundary.lastEnded();
  assert.equal(record.outcome?.bytesIn, 67_108_864);
  assert.equal(record.outcome?.bytesOut, 67_108_864);
});

test('an answer before the upload’s end arrives', async () => {
  held = null;
  const request = get('/early', { method: 'POST' });
  request.write('begin');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  response.resume();
  await once(response, 'end');
  request.destroy();
});

test('a denied body beyond its bound ends the connection, and is never a request', async () => {
  const socket = connect(boundary.port, '127.0.0.1');
  const answer = readAll(socket);
  socket.write('POST http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nContent-Length: 99999999\r\n\r\n');
  const block = Buffer.alloc(65_536, `GET http://a.test:${plain.port}/ HTTP/1.1\r\n\r\n`);
  while (!socket.destroyed && socket.writable) {
    if (!socket.write(block))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
  }
  assert.ok(((await answer).match(/HTTP\/1\.1 /g)?.length ?? 0) <= 1);
});

test('trailers of the upstream reach the client', async () => {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n',
      ),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const host = `a.test:${address.port}`;
  const answer = await exchangeRaw(
    boundary.port,
    `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  );
  assert.match(answer, /0\r\nX-Sum: 7\r\n\r\n$/);
  server.close();
});

test('a WebSocket over HTTP/1.1 and over HTTP/2 echoes; a denied path is 403', async () => {
  const sockets = new WebSocketServer({ server: secure.server as never });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)));
  const tls = await openTlsTunnel(boundary.port, `a.test:${secure.port}`, { ca: boundary.caPem });
  const client = new WebSocket(`wss://a.test:${secure.port}/ws`, { createConnection: () => tls });
  await once(client, 'open');
  client.send('one');
  assert.equal(String((await once(client, 'message'))[0]), 'echo one');
  client.close();
  await once(client, 'close');
  const record = await boundary.lastEnded();
  assert.equal(record.outcome?.status, 101);
  assert.ok((record.outcome?.bytesIn ?? 0) > 0 && (record.outcome?.bytesOut ?? 0) > 0);

  const deniedTls = await openTlsTunnel(boundary.port, `a.test:${secure.port}`, { ca: boundary.caPem });
  const denied = new WebSocket(`wss://a.test:${secure.port}/denied/ws`, {
    createConnection: () => deniedTls,
  });
  const [error] = await once(denied, 'error');
  assert.match(String(error), /403/);

  const session = await http2(secure.port);
  await once(session, 'remoteSettings');
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/ws',
    ':scheme': 'https',
    ':authority': `a.test:${secure.port}`,
    'sec-websocket-version': '13',
  });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  // One masked text frame "hi" (RFC 6455 section 5.2), the mask all zero.
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  const [frame] = await once(stream, 'data');
  assert.equal(String(frame.subarray(2)), 'echo hi');
  session.destroy();
  sockets.close();
});

test('an upgrade to h2c is refused', async () => {
  const host = `a.test:${plain.port}`;
  const answer = await exchangeRaw(
    boundary.port,
    `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 403/);
});

test('a tcp rule passes bytes unread, also where the server speaks first, with half-close', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.write('220 hello\r\n');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end(`got ${Buffer.concat(chunks).length}\r\n`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const socket = connect({ port: boundary.port, host: '127.0.0.1', allowHalfOpen: true });
  const answer = readAll(socket);
  socket.write(`CONNECT raw.test:${address.port} HTTP/1.1\r\nHost: raw.test:${address.port}\r\n\r\n`);
  socket.end(Buffer.alloc(5_000_000));
  assert.match(await answer, /^HTTP\/1\.1 200 .*\r\n\r\n220 hello\r\ngot 5000000\r\n$/);
  const record = await boundary.lastEnded();
  assert.equal(record.url, `tcp://raw.test:${address.port}`);
  assert.deepEqual(record.outcome, { status: 200, bytesIn: 5_000_000, bytesOut: 24, error: null });
  server.close();
});

test('bulk bytes through a tunnel arrive whole at a client that reads slowly', async () => {
  const total = 40_000_000;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(Buffer.alloc(total, 'abcdefg'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const socket = await openTunnel(boundary.port, `raw.test:${address.port}`);
  const got = createHash('sha256');
  let octets = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    octets += chunk.length;
    got.update(chunk);
    if (octets % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(octets, total);
  assert.equal(got.digest('hex'), createHash('sha256').update(Buffer.alloc(total, 'abcdefg')).digest('hex'));
  socket.destroy();
  server.close();
});
