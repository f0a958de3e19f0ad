import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as http2Connect } from 'node:http2';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { LOOPBACK, openTlsTunnel, type ProxyUnderTest, policyOf, startProxy } from './proxy-under-test.ts';

const ca = createTestCa();
let upstream: Upstream;
let boundary: ProxyUnderTest;

before(async () => {
  upstream = await startUpstream({ tls: { ca, hosts: ['a.test'] } });
  boundary = await startProxy({
    upstreamCa: ca,
    policy: policyOf([{ domains: ['a.test'], cidrs: LOOPBACK, ports: 'any' }]),
  });
});
after(async () => {
  await boundary.close();
  await upstream.close();
});

async function session(): Promise<ClientHttp2Session> {
  const tls = await openTlsTunnel(boundary.port, `a.test:${upstream.port}`, {
    ca: boundary.caPem,
    ALPNProtocols: ['h2'],
  });
  const opened = http2Connect(`https://a.test:${upstream.port}`, { createConnection: () => tls });
  opened.on('error', () => {});
  return opened;
}

test('gRPC calls of every shape go through, errors without a body included', async () => {
  const key = ca.issue(['g.test', 'a.test']);
  const server = new grpc.Server();
  const bytes = (value: Buffer) => value;
  const method = {
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  const service = {
    say: { path: '/t.T/Say', requestStream: false, responseStream: false, ...method },
    both: { path: '/t.T/Both', requestStream: true, responseStream: true, ...method },
  };
  server.addService(service, {
    say(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      if (call.request.toString() === 'bad') done({ code: grpc.status.NOT_FOUND, details: 'no such thing' });
      else done(null, Buffer.concat([Buffer.from('hi '), call.request]));
    },
    both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (message: Buffer) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      '127.0.0.1:0',
      grpc.ServerCredentials.createSsl(null, [
        { private_key: Buffer.from(key.key), cert_chain: Buffer.from(key.cert) },
      ]),
      (error, bound) => (error ? reject(error) : resolve(bound)),
    );
  });
  // grpc-js takes its proxy from the environment alone; a tunnel behind a listener says the same to any client.
  const tunnel = createServer((socket) => {
    const { connect } = process.getBuiltinModule('node:net');
    const proxied = connect(boundary.port, '127.0.0.1');
    proxied.write(`CONNECT a.test:${port} HTTP/1.1\r\nHost: a.test:${port}\r\n\r\n`);
    proxied.once('data', () => {
      socket.pipe(proxied).pipe(socket);
    });
    socket.on('error', () => proxied.destroy());
    proxied.on('error', () => socket.destroy());
  });
  tunnel.listen(0, '127.0.0.1');
  await once(tunnel, 'listening');
  const address = tunnel.address();
  assert.ok(address !== null && typeof address === 'object');
  const Client = grpc.makeGenericClientConstructor(service, 'T');
  const client = new Client(
    `127.0.0.1:${address.port}`,
    grpc.credentials.createSsl(Buffer.from(boundary.caPem)),
    {
      'grpc.ssl_target_name_override': 'a.test',
      'grpc.default_authority': `a.test:${port}`,
    },
  );
  const say = (text: string) =>
    new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest('/t.T/Say', bytes, bytes, Buffer.from(text), (error, answer) =>
        error ? reject(error) : resolve(String(answer)),
      );
    });
  assert.equal(await say('you'), 'hi you');
  await assert.rejects(say('bad'), /5 NOT_FOUND: no such thing/);
  const call = client.makeBidiStreamRequest('/t.T/Both', bytes, bytes);
  for (const word of ['one', 'two']) {
    call.write(Buffer.from(word));
    assert.equal(String((await once(call, 'data'))[0]), word);
  }
  call.end();
  call.resume();
  const [status] = await once(call, 'status');
  assert.equal(status.code, 0);
  client.close();
  tunnel.close();
  server.forceShutdown();
});

test('streams that are reset as fast as they are opened end the connection', async () => {
  const flood = await session();
  const ended = new Promise<void>((resolve) => flood.once('close', () => resolve()));
  for (let i = 0; i < 200 && !flood.destroyed; i++) {
    for (let j = 0; j < 50 && !flood.destroyed; j++) {
      const stream = flood.request({ ':path': '/', ':authority': `a.test:${upstream.port}` });
      stream.on('error', () => {});
      stream.close();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  flood.close();
  await ended;
  const next = await session();
  const stream = next.request({ ':path': '/ok', ':authority': `a.test:${upstream.port}` });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  next.destroy();
});

test('a header list over 64 KiB ends its stream, not the process', async () => {
  const before = upstream.requests.length;
  const opened = await session();
  const stream = opened.request({
    ':path': '/',
    ':authority': `a.test:${upstream.port}`,
    'x-long': 'a'.repeat(70_000),
  });
  stream.on('error', () => {});
  await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  assert.equal(upstream.requests.length, before);
  opened.destroy();
});

test('a session on which nothing is asked is closed, one whose answer takes long is not', async () => {
  const answers: (() => void)[] = [];
  const slow = await startUpstream({
    tls: { ca, hosts: ['a.test'] },
    handler: (_request, response) => answers.push(() => response.end('late')),
  });
  const quick = await startProxy({
    upstreamCa: ca,
    policy: policyOf([{ domains: ['a.test'], cidrs: LOOPBACK, ports: 'any' }]),
    proxy: { timeouts: { idle: 200 } },
  });
  const over = async () => {
    const options = { ca: quick.caPem, ALPNProtocols: ['h2'] };
    const tls = await openTlsTunnel(quick.port, `a.test:${slow.port}`, options);
    return http2Connect(`https://a.test:${slow.port}`, { createConnection: () => tls });
  };
  const busy = await over();
  const stream = busy.request({ ':path': '/', ':authority': `a.test:${slow.port}` });
  const idle = await over();
  await once(idle, 'close');
  assert.equal(busy.closed, false);
  answers[0]?.();
  assert.equal(String((await once(stream, 'data'))[0]), 'late');
  busy.destroy();
  await quick.close();
  await slow.close();
});
