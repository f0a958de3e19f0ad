import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as http2Connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import {
  LOOPBACK,
  openTlsTunnel,
  openTunnel,
  type ProxyUnderTest,
  policyOf,
  readAll,
  readUntil,
  startProxy,
} from './proxy-under-test.ts';

const run = promisify(execFile);
const ca = createTestCa();
const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
const caFile = join(directory, 'ca.pem');
let upstream: Upstream;
let expired: Upstream;
let boundary: ProxyUnderTest;

before(async () => {
  upstream = await startUpstream({ tls: { ca, hosts: ['allowed.test', 'other.test'] }, http2: true });
  expired = await startUpstream({ tls: { ca: createTestCa(), hosts: ['allowed.test'] } });
  boundary = await startProxy({
    upstreamCa: ca,
    policy: policyOf([
      { domains: ['allowed.test', 'other.test'], cidrs: LOOPBACK, ports: 'any', methods: ['GET', 'POST'] },
      { domains: ['passed.test'], cidrs: LOOPBACK, ports: 'any', inspect: 'never' },
      { domains: ['allowed.test'], paths: ['/secret/*'], effect: 'deny' },
    ]),
  });
  writeFileSync(caFile, boundary.caPem);
});
after(async () => {
  await boundary.close();
  await upstream.close();
  await expired.close();
  rmSync(directory, { recursive: true });
});

async function curl(...args: string[]): Promise<string> {
  const proxy = `http://127.0.0.1:${boundary.port}`;
  const { stdout } = await run('curl', [
    '-sS',
    '--suppress-connect-headers',
    '--cacert',
    caFile,
    '-x',
    proxy,
    ...args,
  ]);
  return stdout;
}

for (const version of ['--http1.1', '--http2']) {
  test(`curl ${version} gets what is allowed inside TLS, and 403 for the rest`, async () => {
    const url = `https://allowed.test:${upstream.port}`;
    assert.equal(await curl(version, `${url}/x?y`), 'GET /x?y 0\n');
    const record = await boundary.lastEnded();
    assert.equal(record.protocol, 'https');
    assert.equal(record.url, `${url}/x?y`);
    const before = upstream.requests.length;
    assert.match(await curl(version, '-i', `${url}/secret/x`), /^HTTP\/[12](\.1)? 403/);
    assert.equal(upstream.requests.length, before);
    assert.equal(await curl(version, '-d', 'abcdef', `${url}/post`), 'POST /post 6\n');
    assert.equal(
      await curl(version, '-I', `${url}/secret/head`, '-o', '/dev/null', '-w', '%{http_code}'),
      '403',
    );
    assert.equal(
      await curl(version, '-d', 'abc', `${url}/secret/p`, '-o', '/dev/null', '-w', '%{http_code}'),
      '403',
    );
  });
}

test('an upstream certificate of an unknown authority is 502, and no request is sent', async () => {
  const answer = await curl('-i', `https://allowed.test:${expired.port}/`);
  assert.match(answer, / 502/);
  assert.equal(expired.requests.length, 0);
  assert.equal((await boundary.lastEnded()).outcome?.error, 'upstream-certificate');
});

test('TLS to a host with inspect: never is passed with the upstream’s own certificate', async () => {
  const own = await startUpstream({ tls: { ca, hosts: ['passed.test'] } });
  writeFileSync(join(directory, 'own.pem'), ca.caPem);
  const url = `https://passed.test:${own.port}/p`;
  assert.equal(await curl('--cacert', join(directory, 'own.pem'), url), 'GET /p 0\n');
  const record = await boundary.lastEnded();
  assert.equal(record.protocol, 'tls');
  assert.equal(record.url, `tls://passed.test:${own.port}`);
  assert.ok((record.outcome?.bytesOut ?? 0) > 500);
  await own.close();
});

test('what a tunnel may not carry never reaches the upstream', async (t) => {
  const port = upstream.port;
  const other = await startUpstream();
  const bytes = upstream.bytes();
  const refused = async (name: string, attempt: () => Promise<unknown>, claimed: string[] = []) => {
    await t.test(name, async () => {
      const records = boundary.records.length;
      await attempt();
      assert.equal(upstream.bytes(), bytes);
      const made = boundary.records.slice(records);
      assert.ok(made.length >= 1, 'no record');
      assert.ok(made.every(({ verdict }) => verdict === 'deny'));
      assert.deepEqual(made[0]?.claimed, claimed);
    });
  };
  const options = { ca: boundary.caPem };
  await refused(
    'a server name that is not the CONNECT’s, even an allowed one',
    () =>
      assert.rejects(
        openTlsTunnel(boundary.port, `allowed.test:${port}`, { ...options, servername: 'other.test' }),
      ),
    ['allowed.test', 'other.test'],
  );
  await refused(
    'a passed connection with another server name',
    () =>
      assert.rejects(
        openTlsTunnel(boundary.port, `passed.test:${port}`, { ...options, servername: 'other.test' }),
      ),
    ['passed.test', 'other.test'],
  );
  await refused('a passed connection without a server name', () =>
    assert.rejects(openTlsTunnel(boundary.port, `passed.test:${port}`, { ...options, servername: '' })),
  );
  await refused('another Host inside', async () => {
    const tls = await openTlsTunnel(boundary.port, `allowed.test:${port}`, options);
    tls.write(`GET / HTTP/1.1\r\nHost: other.test:${port}\r\n\r\n`);
    assert.match(await readUntil(tls, '\r\n\r\n'), /^HTTP\/1\.1 4(00|21)/);
    tls.destroy();
  }, ['allowed.test', 'other.test']);
  await refused('CONNECT inside', async () => {
    const tls = await openTlsTunnel(boundary.port, `allowed.test:${port}`, options);
    tls.write(`CONNECT other.test:${port} HTTP/1.1\r\nHost: other.test:${port}\r\n\r\n`);
    assert.match(await readUntil(tls, '\r\n\r\n'), /^HTTP\/1\.1 403/);
    tls.destroy();
  });
  await refused('a protocol that is neither HTTP nor TLS', async () => {
    const socket = await openTunnel(boundary.port, `allowed.test:${port}`);
    socket.write('EHLO mail.example\r\n');
    assert.equal(await readAll(socket), '');
  });
  await refused('HTTP/2 without TLS', async () => {
    const socket = await openTunnel(boundary.port, `allowed.test:${port}`);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    assert.equal(await readAll(socket), '');
  });
  await refused('a ClientHello that is none', async () => {
    const socket = await openTunnel(boundary.port, `allowed.test:${port}`);
    socket.write(Buffer.from([0x16, 3, 1, 0, 5, 2, 0, 0, 1, 0]));
    assert.ok((await readAll(socket)).startsWith('\u0015\u0003\u0003\u0000\u0002\u0002'));
  });
  await refused('a CONNECT to a denied name', () =>
    assert.rejects(openTunnel(boundary.port, `denied.test:${port}`), /403 Forbidden/),
  );
  await refused('an h2 request for another authority', async () => {
    const tls = await openTlsTunnel(boundary.port, `allowed.test:${port}`, {
      ...options,
      ALPNProtocols: ['h2'],
    });
    const session = http2Connect(`https://allowed.test:${port}`, { createConnection: () => tls });
    const stream = session.request({ ':path': '/', ':authority': `other.test:${port}` });
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 421);
    session.destroy();
  }, ['allowed.test', 'other.test']);
  assert.equal(other.bytes(), 0);
  await other.close();
});

test('a ClientHello byte by byte is opened all the same', async () => {
  const socket = await openTunnel(boundary.port, `allowed.test:${upstream.port}`);
  const { Duplex } = await import('node:stream');
  const dripping = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      for (const octet of chunk) socket.write(Buffer.from([octet]));
      done();
    },
  });
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => dripping.push(chunk));
  const { connect: tlsConnect } = await import('node:tls');
  const tls = tlsConnect({ socket: dripping, servername: 'allowed.test', ca: boundary.caPem });
  await once(tls, 'secureConnect');
  tls.write(`GET /drip HTTP/1.1\r\nHost: allowed.test:${upstream.port}\r\n\r\n`);
  assert.match(await readUntil(tls, '/drip 0'), /^HTTP\/1\.1 200/);
  socket.destroy();
});

test('plain HTTP inside a CONNECT is judged per request', async () => {
  const plain = await startUpstream();
  const socket = await openTunnel(boundary.port, `allowed.test:${plain.port}`);
  const host = `Host: allowed.test:${plain.port}`;
  socket.write(`GET /secret/a HTTP/1.1\r\n${host}\r\n\r\nGET /b HTTP/1.1\r\n${host}\r\n\r\n`);
  const answer = await readUntil(socket, '/b 0');
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 403', 'HTTP/1.1 200']);
  assert.deepEqual(
    plain.requests.map(({ url }) => url),
    ['/b'],
  );
  socket.destroy();
  await plain.close();
});

test('a client that does not trust the CA leaves a record that says what to do', async () => {
  await assert.rejects(
    curl('--cacert', '/etc/ssl/certs/ca-certificates.crt', `https://allowed.test:${upstream.port}`),
  );
  const record = await boundary.lastEnded();
  assert.equal(record.outcome?.error, 'client-tls');
  assert.match(record.reason, /inspect: never/);
});
