import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { createMetrics } from '../../sidecar/src/metrics/create-metrics.ts';
import { createUpstream } from '../../sidecar/src/proxy/upstream/create-upstream.ts';
import type { UpstreamClient } from '../../sidecar/src/proxy/upstream-types.ts';
import { type Response, startUpstream, type Upstream } from '../harness/upstream.ts';
import {
  exchangeRaw,
  LOOPBACK,
  openTunnel,
  type ProxyUnderTest,
  policyOf,
  readAll,
  readUntil,
  startProxy,
  type TestRule,
} from './proxy-under-test.ts';

let upstream: Upstream;
let held: ((response: Response) => void) | null = null;

before(async () => {
  upstream = await startUpstream({
    handler(request, response) {
      if (held !== null) held(response);
      else {
        let length = 0;
        request.on('data', (chunk: Buffer) => {
          length += chunk.length;
        });
        request.on('end', () => response.end('x'.repeat(Number(request.url?.split('=')[1] ?? length))));
      }
    },
  });
});
after(() => upstream.close());

const OPEN: TestRule = { domains: ['a.test'], cidrs: LOOPBACK, ports: 'any' };

async function withProxy(
  options: Parameters<typeof startProxy>[0],
  body: (boundary: ProxyUnderTest) => Promise<void>,
): Promise<void> {
  const boundary = await startProxy(options);
  try {
    await body(boundary);
  } finally {
    await boundary.close();
  }
}

/** A whole GET on a connection of its own; the status. */
async function status(boundary: ProxyUnderTest, path = '/', host = 'a.test', more = ''): Promise<string> {
  const authority = `${host}:${upstream.port}`;
  const answer = await exchangeRaw(
    boundary.port,
    `GET http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n${more}\r\n`,
  );
  return answer.slice(9, 12);
}

test('what is ambiguous or malformed is refused with its status, and not a byte of it is sent', async (t) => {
  await withProxy({ policy: policyOf([OPEN]) }, async (boundary) => {
    const url = `http://a.test:${upstream.port}`;
    const host = `Host: a.test:${upstream.port}\r\n`;
    const get = `GET ${url}/ HTTP/1.1\r\n${host}`;
    const post = `POST ${url}/ HTTP/1.1\r\n${host}`;
    const cases: [string, string, number][] = [
      ['origin-form', `GET / HTTP/1.1\r\n${host}\r\n`, 400],
      ['another Host', `GET ${url}/ HTTP/1.1\r\nHost: evil.test\r\n\r\n`, 400],
      ['authority with a path', `GET a.test:443/x HTTP/1.1\r\nHost: evil.test\r\n\r\n`, 400],
      ['two Hosts', `${get}${host}\r\n`, 400],
      ['user information', `GET http://a.test@evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n`, 400],
      ['dot segments', `GET ${url}/a/../b HTTP/1.1\r\n${host}\r\n`, 400],
      ['encoded dot segments', `GET ${url}/a/%2e%2e/b HTTP/1.1\r\n${host}\r\n`, 400],
      ['backslash', `GET ${url}/a%5c..%5cb HTTP/1.1\r\n${host}\r\n`, 400],
      [
        'decimal address',
        `GET http://2130706433:${upstream.port}/ HTTP/1.1\r\nHost: 2130706433:${upstream.port}\r\n\r\n`,
        400,
      ],
      ['both framings', `${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
      ['two lengths', `${post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`, 400],
      ['another coding', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
      ['folded coding', `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 400],
      ['space before the colon', `${get}X : y\r\n\r\n`, 400],
      ['bare LF', `GET ${url}/ HTTP/1.1\nHost: a.test:${upstream.port}\n\n`, 400],
      ['bare CR', `${get}X: a\rb\r\n\r\n`, 400],
      ['NUL', `${get}X: a\0b\r\n\r\n`, 400],
      ['unknown method', `FROB ${url}/ HTTP/1.1\r\n${host}\r\n`, 400],
      ['lower-case method', `get ${url}/ HTTP/1.1\r\n${host}\r\n`, 400],
      ['header over 64 KiB', `${get}X: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
      ['ten thousand headers', `${get}${'X: 12345\r\n'.repeat(10_000)}\r\n`, 431],
      ['URL over 64 KiB', `GET ${url}/${'a'.repeat(70_000)} HTTP/1.1\r\n${host}\r\n`, 414],
      ['another expectation', `${post}Expect: tea\r\nContent-Length: 3\r\n\r\nabc`, 417],
      ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
      ['TLS on the plain port', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00', 400],
      ['CONNECT without a port', `CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n`, 400],
      ['CONNECT with another Host', `CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n`, 400],
      ['a method override to a denied one', `${get}X-HTTP-Method-Override: P,Q\r\n\r\n`, 400],
    ];
    for (const [name, octets, wanted] of cases) {
      await t.test(name, async () => {
        const bytes = upstream.bytes();
        const records = boundary.records.length;
        const answer = await exchangeRaw(boundary.port, octets);
        assert.equal(Number(answer.slice(9, 12)), wanted, answer);
        assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1);
        assert.equal(upstream.bytes(), bytes);
        assert.equal(boundary.records.length, records + 1);
        assert.equal(boundary.records.at(-1)?.verdict, 'deny');
      });
    }
    assert.equal(await status(boundary), '200');
  });
});

test('many headers are all forwarded, none left out silently', async () => {
  Object.assign(upstream.server, { maxHeadersCount: 0 });
  await withProxy({ policy: policyOf([OPEN]) }, async (boundary) => {
    assert.equal(await status(boundary, '/', 'a.test', 'X-A: b\r\n'.repeat(1_500)), '200');
    assert.equal(upstream.requests.at(-1)?.rawHeaders.filter((name) => name === 'X-A').length, 1_500);
  });
});

test('requests over the rate are 429 with Retry-After, and other rules go on', async () => {
  const rules: TestRule[] = [
    { ...OPEN, limits: { requests: { count: 2, perSeconds: 3600 } } },
    { ...OPEN, domains: ['b.test'] },
  ];
  await withProxy({ policy: policyOf(rules) }, async (boundary) => {
    assert.equal(await status(boundary), '200');
    assert.equal(await status(boundary), '200');
    const authority = `a.test:${upstream.port}`;
    const answer = await exchangeRaw(
      boundary.port,
      `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 429 /);
    assert.ok(Number(/Retry-After: (\d+)/.exec(answer)?.[1]) > 1700);
    assert.equal(await status(boundary, '/', 'b.test'), '200');
  });
});

test('concurrent requests over the limit are 429 until one ends', async () => {
  const rules = [{ ...OPEN, limits: { concurrent: 1 } }];
  await withProxy({ policy: policyOf(rules) }, async (boundary) => {
    const started = new Promise<Response>((resolve) => {
      held = resolve;
    });
    const first = status(boundary);
    const response = await started;
    held = null;
    assert.equal(await status(boundary), '429');
    response.end('x');
    assert.equal(await first, '200');
    assert.equal(await status(boundary), '200');
  });
});

test('bodies over their limits are 413, or cut so that nobody takes them for complete', async () => {
  const rules = [{ ...OPEN, limits: { requestBody: 1_000, responseBody: 2_000 } }];
  await withProxy({ policy: policyOf(rules) }, async (boundary) => {
    const head = `POST http://a.test:${upstream.port}/ HTTP/1.1\r\nHost: a.test:${upstream.port}\r\n`;
    const requests = upstream.requests.length;
    const sized = await exchangeRaw(
      boundary.port,
      `${head}Content-Length: 1001\r\nConnection: close\r\n\r\n${'x'.repeat(1_001)}`,
    );
    assert.match(sized, /^HTTP\/1\.1 413/);
    assert.equal(upstream.requests.length, requests);
    const chunked = await exchangeRaw(
      boundary.port,
      `${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${`200\r\n${'x'.repeat(512)}\r\n`.repeat(3)}0\r\n\r\n`,
    );
    assert.match(chunked, /^HTTP\/1\.1 413/);
    assert.equal(await status(boundary, '/?n=2000'), '200');
    assert.equal(await status(boundary, '/?n=9000'), '502');
    assert.equal((await boundary.lastEnded()).outcome?.error, 'response-too-large');
    held = (response) => {
      response.write('x'.repeat(1_500));
      setImmediate(() => response.end('x'.repeat(1_500)));
    };
    const authority = `a.test:${upstream.port}`;
    const long = await exchangeRaw(
      boundary.port,
      `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
    );
    held = null;
    assert.ok(!long.endsWith('0\r\n\r\n'));
    assert.equal((await boundary.lastEnded()).outcome?.error, 'response-too-large');
  });
});

test('a policy that tightens cuts tunnels, requests in flight and opened connections', async () => {
  const tcp: TestRule = {
    domains: ['raw.test'],
    cidrs: LOOPBACK,
    ports: [{ from: 1, to: 65535 }],
    protocol: 'tcp',
  };
  await withProxy({ policy: policyOf([OPEN, tcp]) }, async (boundary) => {
    const tunnel = await openTunnel(boundary.port, `raw.test:${upstream.port}`);
    const kept = await openTunnel(boundary.port, `a.test:${upstream.port}`);
    const head = `GET / HTTP/1.1\r\nHost: a.test:${upstream.port}\r\n\r\n`;
    kept.write(head);
    await readUntil(kept, '\r\n\r\n');
    const waiting = await openTunnel(boundary.port, `a.test:${upstream.port}`);
    const started = new Promise<Response>((resolve) => {
      held = resolve;
    });
    const flight = exchangeRaw(
      boundary.port,
      `GET http://a.test:${upstream.port}/ HTTP/1.1\r\nHost: a.test:${upstream.port}\r\n\r\n`,
    );
    await started;
    held = null;
    const ends = [tunnel, kept, waiting].map((socket) => readAll(socket));
    boundary.use(policyOf([{ ...OPEN, domains: ['b.test'] }]));
    assert.equal(await flight, '');
    await Promise.all(ends);
    assert.equal(await status(boundary), '403');
    assert.equal(await status(boundary, '/', 'b.test'), '200');
  });
});

test('mode audit relaxes the rules and nothing else', async () => {
  const rules: TestRule[] = [
    { domains: ['*'], ports: 'any' },
    { domains: ['a.test'], effect: 'deny', paths: ['/x/*'] },
  ];
  const names = { 'meta.test': ['169.254.169.254'], 'a.test': ['93.184.215.14'] };
  const direct = createUpstream({ ca: [], metrics: createMetrics().metrics });
  // Judged as a public address; the machine that tests run on has only loopback to dial.
  const rerouted: UpstreamClient = {
    ...direct,
    request: (route, request, sink) => direct.request({ ...route, addresses: ['127.0.0.1'] }, request, sink),
  };
  const policy = policyOf(rules, { mode: 'audit' });
  await withProxy({ policy, names, proxy: { upstream: rerouted } }, async (boundary) => {
    assert.equal(await status(boundary, '/x/y'), '200');
    const record = await boundary.lastEnded();
    assert.equal(record.verdict, 'would-deny');
    assert.equal(record.rule?.line, 2);
    assert.equal(await status(boundary, '/', 'meta.test'), '403');
    assert.equal((await boundary.lastEnded()).verdict, 'deny');
    assert.equal(await status(boundary, '/a/../b'), '400');
    assert.equal(await status(boundary, '/', '127.0.0.1'), '403');
  });
  await direct.close();
});

test('with audit.on_failure: deny nothing passes while no sink takes a record', async () => {
  await withProxy({ policy: policyOf([OPEN], { onAuditFailure: 'deny' }) }, async (boundary) => {
    assert.equal(await status(boundary), '200');
    boundary.setAuditHealthy(false);
    const bytes = upstream.bytes();
    assert.equal(await status(boundary), '403');
    await assert.rejects(openTunnel(boundary.port, `a.test:${upstream.port}`), /403/);
    assert.equal(upstream.bytes(), bytes);
    boundary.setAuditHealthy(true);
    assert.equal(await status(boundary), '200');
  });
});

test('a stop lets what runs end, takes nothing new, and closes what does not end', async () => {
  const boundary = await startProxy({ policy: policyOf([OPEN]) });
  const started = new Promise<Response>((resolve) => {
    held = resolve;
  });
  const flight = status(boundary);
  const response = await started;
  held = null;
  const idle = await openTunnel(boundary.port, `a.test:${upstream.port}`);
  const idleEnd = readAll(idle);
  const drained = boundary.proxy.drain(10_000);
  await idleEnd;
  const late = connect(boundary.port, '127.0.0.1');
  await once(late, 'error');
  response.end('x');
  assert.equal(await flight, '200');
  await drained;
});

test('a head that drips is cut off in time, and so is a tunnel that says nothing', async () => {
  await withProxy({ policy: policyOf([OPEN]), proxy: { timeouts: { head: 300 } } }, async (boundary) => {
    const tunnel = await openTunnel(boundary.port, `a.test:${upstream.port}`);
    const slow = connect(boundary.port, '127.0.0.1');
    slow.write('GET http://a.test/ HT');
    assert.match(await readAll(slow), /^HTTP\/1\.1 408/);
    assert.equal(await readAll(tunnel), '');
    assert.equal(boundary.records.length, 2);
  });
});

test('500 clients that go away leave nothing open', async () => {
  await withProxy({ policy: policyOf([OPEN]) }, async (boundary) => {
    const request = `GET http://a.test:${upstream.port}/?n=100000 HTTP/1.1\r\nHost: a.test:${upstream.port}\r\n\r\n`;
    await Promise.all(
      Array.from({ length: 500 }, async () => {
        const socket = connect(boundary.port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        socket.write(request);
        setImmediate(() => socket.resetAndDestroy());
        await once(socket, 'close');
      }),
    );
    assert.equal(await status(boundary), '200');
    await boundary.proxy.drain(5_000);
    assert.ok(boundary.records.every(({ outcome }) => outcome !== null));
  });
});
