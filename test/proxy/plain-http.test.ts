import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { exchangeRaw, LOOPBACK, type ProxyUnderTest, policyOf, startProxy } from './proxy-under-test.ts';

const run = promisify(execFile);
let upstream: Upstream;
let boundary: ProxyUnderTest;

before(async () => {
  upstream = await startUpstream();
  boundary = await startProxy({
    policy: policyOf([
      { domains: ['allowed.test'], cidrs: LOOPBACK, ports: 'any', methods: ['GET', 'HEAD', 'POST', 'PUT'] },
      { domains: ['private.test'], ports: 'any' },
      { domains: ['allowed.test'], paths: ['/secret/*'], effect: 'deny' },
    ]),
  });
});
after(async () => {
  await boundary.close();
  await upstream.close();
});

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await run('curl', ['-sS', '-x', `http://127.0.0.1:${boundary.port}`, ...args]);
  return stdout;
}

test('an allowed request reaches its upstream and is recorded with address, status and bytes', async () => {
  assert.equal(await curl(`http://allowed.test:${upstream.port}/a?b=c`), 'GET /a?b=c 0\n');
  const record = await boundary.lastEnded();
  assert.equal(record.verdict, 'allow');
  assert.equal(record.url, `http://allowed.test:${upstream.port}/a?b=c`);
  assert.equal(record.dialled, '127.0.0.1');
  assert.deepEqual(record.outcome, { status: 200, bytesIn: 0, bytesOut: 13, error: null });
});

test('a denied name is answered 403 with the reason, never looked up and never dialled', async () => {
  const bytes = upstream.bytes();
  const answer = await curl('-i', `http://denied.test:${upstream.port}/`);
  assert.match(answer, /^HTTP\/1\.1 403 Forbidden/);
  assert.match(answer, /boundary denied this request/);
  assert.match(answer, /Do not try to get there another way/);
  const record = await boundary.lastEnded();
  assert.match(answer, new RegExp(`Request id: test-${boundary.records.length}`));
  assert.equal(record.verdict, 'deny');
  assert.equal(record.outcome?.status, 403);
  assert.ok(!boundary.lookups.includes('denied.test'));
  assert.equal(upstream.bytes(), bytes);
});

test('a client that accepts JSON gets the denial as JSON', async () => {
  const answer = await curl(
    '-H',
    'Accept: application/json',
    `http://allowed.test:${upstream.port}/secret/x`,
  );
  const told = JSON.parse(answer);
  assert.deepEqual(told.rule, { file: 'test.yaml', line: 3 });
  assert.equal(told.status, 403);
});

test('a name whose every address is refused is denied after its lookup', async () => {
  const answer = await curl('-i', `http://private.test:${upstream.port}/`);
  assert.match(answer, /^HTTP\/1\.1 403/);
  assert.equal((await boundary.lastEnded()).verdict, 'deny');
});

test('the proxy is not reachable through itself', async () => {
  for (const host of ['127.0.0.1', 'allowed.test', '0.0.0.0', '[::ffff:127.0.0.1]']) {
    const answer = await curl('-i', `http://${host}:${boundary.port}/`);
    assert.match(answer, /^HTTP\/1\.1 403/, host);
  }
});

test('headers keep their order and case, and what belongs to a hop stays there', async () => {
  const authority = `allowed.test:${upstream.port}`;
  await exchangeRaw(
    boundary.port,
    `GET http://${authority}/h HTTP/1.1\r\nX-First: 1\r\nhOsT: ALLOWED.test:${upstream.port}\r\n` +
      'Connection: close, X-Secret\r\nX-Secret: s\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n' +
      'X-Boundary-Request-Id: forged\r\nProxy-Connection: keep-alive\r\nx-LAST: 2\r\nx-LAST: 3\r\n\r\n',
  );
  const seen = upstream.requests.at(-1);
  assert.deepEqual(
    seen?.rawHeaders.filter((_, i, all) => all[i - (i % 2)]?.toLowerCase() !== 'connection'),
    ['X-First', '1', 'hOsT', authority, 'x-LAST', '2', 'x-LAST', '3'],
  );
});

test('uploads keep their framing: sized as sized, chunked as chunked', async () => {
  const url = `http://allowed.test:${upstream.port}/u`;
  assert.equal(await curl('-T', '/etc/hostname', url), (await curl('-T', '/etc/hostname', url)).toString());
  const names = () =>
    upstream.requests
      .at(-1)
      ?.rawHeaders.filter((_, i) => i % 2 === 0)
      .map((name) => name.toLowerCase());
  assert.ok(names()?.includes('content-length'));
  assert.equal(await curl('-H', 'Transfer-Encoding: chunked', '-d', 'abc', url), 'POST /u 3\n');
  assert.ok(names()?.includes('transfer-encoding'));
  assert.ok(!names()?.includes('content-length'));
});

test('pipelined requests are judged one by one, also behind a denied one with a body', async () => {
  const allowed = `http://allowed.test:${upstream.port}`;
  const before = upstream.requests.length;
  const answer = await exchangeRaw(
    boundary.port,
    `POST http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nContent-Length: 40\r\n\r\n${`GET ${allowed}/smuggled HTTP/1.1\r\n\r\n`.padEnd(40, ' ').slice(0, 40)}` +
      `GET ${allowed}/second HTTP/1.1\r\nHost: allowed.test:${upstream.port}\r\n\r\n` +
      `GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\nConnection: close\r\n\r\n`,
  );
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 403', 'HTTP/1.1 200', 'HTTP/1.1 403']);
  assert.deepEqual(
    upstream.requests.slice(before).map(({ url }) => url),
    ['/second'],
  );
});

test('HEAD keeps the length and has no body', async () => {
  const answer = await curl('-I', `http://allowed.test:${upstream.port}/head`);
  assert.match(answer, /content-length: 13/i);
});

test('the end of the client’s side does not end the answer', async () => {
  const { connect } = await import('node:net');
  const socket = connect({ port: boundary.port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.end(
    `GET http://allowed.test:${upstream.port}/half HTTP/1.1\r\nHost: allowed.test:${upstream.port}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(Buffer.concat(chunks).toString(), /GET \/half 0/);
});
