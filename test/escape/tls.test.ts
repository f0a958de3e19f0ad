/** TLS: the name of the tunnel, the server name and the Host are one name, or nothing is sent. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as http2Connect } from 'node:http2';
import { after, before, test } from 'node:test';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { converse, openTls, openTunnel, type Setting, startSetting, statusOf } from './attack.ts';

const ca = createTestCa();
let opened: Upstream;
let passed: Upstream;
let setting: Setting;
let bundle: string;

const LOOPBACK = 'cidr: [127.0.0.1/32, "::1/128"]';

before(async () => {
  const hosts = ['localhost', 'other.test'];
  [opened, passed] = await Promise.all([
    startUpstream({ tls: { ca, hosts }, http2: true }),
    startUpstream({ tls: { ca, hosts } }),
  ]);
  setting = await startSetting(
    `allow:
  - { domain: localhost, port: ${opened.port}, ${LOOPBACK}, methods: [GET] }
  - { domain: localhost, port: ${passed.port}, ${LOOPBACK}, inspect: never }
`,
    { ca },
  );
  bundle = readFileSync(setting.sidecar.bundlePath, 'utf8');
});
after(async () => {
  await setting[Symbol.asyncDispose]();
  await opened.close();
  await passed.close();
});

const place = (upstream: Upstream) => `localhost:${upstream.port}`;
const get = (host: string, path = '/x') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

test('the control: both ways get through', async () => {
  await setting.during(async () => {
    const inside = await openTls(setting.port, place(opened), { ca: bundle });
    assert.notEqual(inside.getPeerCertificate().issuer.O, 'boundary tests');
    assert.equal(statusOf(await converse(inside, [get(place(opened))])), 200);
    const through = await openTls(setting.port, place(passed), { ca: ca.caPem });
    assert.equal(through.getPeerCertificate().issuer.O, 'boundary tests');
    assert.equal(statusOf(await converse(through, [get(place(passed))])), 200);
  }, 2);
});

for (const which of ['opened', 'passed'] as const) {
  for (const serverName of ['other.test', 'xlocalhost', 'localhost.other.test']) {
    test(`the server name ${serverName} in a tunnel to another name is refused where TLS is ${which}`, async () => {
      const upstream = which === 'opened' ? opened : passed;
      const before = upstream.bytes();
      const { lines } = await setting.during(() =>
        assert.rejects(openTls(setting.port, place(upstream), { ca: null, serverName })),
      );
      assert.equal(upstream.bytes(), before);
      assert.equal(lines[0]?.verdict, 'deny');
      assert.deepEqual(lines[0]?.claimed, ['localhost', serverName]);
    });
  }
}

test('TLS without a server name is refused where it is passed', async () => {
  const before = passed.bytes();
  const { lines } = await setting.during(() =>
    assert.rejects(openTls(setting.port, place(passed), { ca: null, serverName: null })),
  );
  assert.equal(passed.bytes(), before);
  assert.equal(lines[0]?.verdict, 'deny');
});

const FRONTED: Record<string, [request: (own: string) => string, status: number]> = {
  'another Host': [() => get('other.test'), 400],
  'another port in Host': [() => get('localhost:1'), 400],
  'no port in Host': [() => get('localhost'), 400],
  'another host in the request line': [
    (own) => `GET https://other.test/ HTTP/1.1\r\nHost: ${own}\r\n\r\n`,
    400,
  ],
  'http in the request line': [(own) => `GET http://${own}/ HTTP/1.1\r\nHost: ${own}\r\n\r\n`, 400],
  'a method that is not allowed': [
    (own) => `POST / HTTP/1.1\r\nHost: ${own}\r\nContent-Length: 0\r\n\r\n`,
    403,
  ],
  'a CONNECT': [(own) => `CONNECT ${own} HTTP/1.1\r\nHost: ${own}\r\n\r\n`, 403],
};
for (const [name, [request, status]] of Object.entries(FRONTED)) {
  test(`${name} inside opened TLS is refused`, async () => {
    const before = opened.requests.length;
    const { result, lines } = await setting.during(async () => {
      const tls = await openTls(setting.port, place(opened), { ca: bundle });
      return converse(tls, [request(place(opened))]);
    });
    assert.equal(statusOf(result), status, result.text);
    assert.equal(opened.requests.length, before);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

const H2: Record<string, [headers: Record<string, string>, status: number | 'reset']> = {
  'another :authority': [{ ':authority': 'other.test' }, 421],
  'another port in :authority': [{ ':authority': 'localhost:1' }, 421],
  'a Host beside :authority that differs': [{ ':authority': '{own}', host: 'other.test' }, 400],
  'a scheme of its own': [{ ':scheme': 'http' }, 400],
  'user information in :authority': [{ ':authority': 'localhost@other.test' }, 'reset'],
  'dot segments in :path': [{ ':path': '/a/../b' }, 400],
  'an absolute :path': [{ ':path': 'https://other.test/' }, 'reset'],
  'a method that is not allowed': [{ ':method': 'DELETE' }, 403],
  'an unknown method': [{ ':method': 'SECRET' }, 501],
  'a method override': [{ 'x-http-method-override': 'DELETE' }, 403],
};
for (const [name, [headers, status]] of Object.entries(H2)) {
  test(`${name} over HTTP/2 is refused`, async () => {
    const before = opened.requests.length;
    const { lines, result } = await setting.during(
      async () => {
        const tls = await openTls(setting.port, place(opened), { ca: bundle, alpn: ['h2'] });
        const session = http2Connect(`https://${place(opened)}`, { createConnection: () => tls });
        session.on('error', () => {});
        try {
          const stream = session.request(
            JSON.parse(
              JSON.stringify({ ':path': '/x', ...headers }).replaceAll('{own}', place(opened)),
            ) as Record<string, string>,
          );
          stream.on('error', () => {}).resume();
          const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
          return answer[':status'];
        } catch {
          return 'reset';
        } finally {
          session.destroy();
        }
      },
      status === 'reset' ? 0 : 1,
    );
    assert.equal(result, status);
    assert.equal(opened.requests.length, before);
    if (status === 'reset') return;
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

test('a CONNECT over HTTP/2 is refused', async () => {
  const { lines } = await setting.during(async () => {
    const tls = await openTls(setting.port, place(opened), { ca: bundle, alpn: ['h2'] });
    const session = http2Connect(`https://${place(opened)}`, { createConnection: () => tls });
    session.on('error', () => {});
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'other.test:443' });
    stream.on('error', () => {});
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
    assert.equal(answer[':status'], 400);
    session.destroy();
  });
  assert.equal(lines[0]?.verdict, 'deny');
});

const NOT_TLS: Record<string, string | Buffer> = {
  'an ssh banner': 'SSH-2.0-OpenSSH_9.6\r\n',
  'random octets': Buffer.from([0xde, 0xad, 0xbe, 0xef]),
  'HTTP/2 without TLS': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a TLS record that is no hello': Buffer.from([0x16, 3, 1, 0, 4, 2, 0, 0, 0]),
  'SSL 2': Buffer.from([0x80, 0x2e, 0x01, 0x00, 0x02]),
  'a hello that is cut off by garbage': Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3, 0x17]),
  'a TLS alert': Buffer.from([0x15, 3, 3, 0, 2, 2, 40]),
};
for (const [name, bytes] of Object.entries(NOT_TLS)) {
  test(`${name} in a tunnel is cut and recorded`, async () => {
    for (const upstream of [opened, passed]) {
      const before = upstream.bytes();
      const { lines } = await setting.during(async () => {
        const { socket, status } = await openTunnel(setting.port, place(upstream));
        assert.equal(status, 200);
        return converse(socket, [bytes, 'GET / HTTP/1.1\r\n\r\n']);
      });
      assert.equal(upstream.bytes(), before);
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.verdict, 'deny');
    }
  });
}

test('TLS before 1.2 is refused on both sides', async () => {
  await setting.during(() =>
    assert.rejects(openTls(setting.port, place(opened), { ca: null, maxVersion: 'TLSv1.1' })),
  );
});

const hour = 3_600_000;
const BAD_UPSTREAMS = {
  'an unknown authority': () => createTestCa().issue(['localhost']),
  'another name': () => ca.issue(['other.test']),
  'an expired certificate': () =>
    ca.issue(['localhost'], {
      notBefore: new Date(Date.now() - 2 * hour),
      notAfter: new Date(Date.now() - hour),
    }),
  'a certificate of tomorrow': () =>
    ca.issue(['localhost'], {
      notBefore: new Date(Date.now() + hour),
      notAfter: new Date(Date.now() + 2 * hour),
    }),
};
for (const [name, pair] of Object.entries(BAD_UPSTREAMS)) {
  test(`an upstream with ${name} is answered 502, and gets no request`, async () => {
    const { createServer } = await import('node:https');
    let requests = 0;
    const server = createServer(pair(), (_request, response) => {
      requests++;
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    await using there = await startSetting(
      `allow:\n  - { domain: localhost, port: ${address.port}, ${LOOPBACK} }\n`,
      { ca },
    );
    const trust = readFileSync(there.sidecar.bundlePath, 'utf8');
    const host = `localhost:${address.port}`;
    const { result, lines } = await there.during(async () =>
      converse(await openTls(there.port, host, { ca: trust }), [get(host)]),
    );
    assert.equal(statusOf(result), 502, result.text);
    assert.equal(requests, 0);
    assert.match(String(lines[0]?.error), /^upstream-/);
    server.closeAllConnections();
    server.close();
  });
}

test('afterwards the process lives', () => setting.alive());
