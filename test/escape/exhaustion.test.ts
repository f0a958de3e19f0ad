/** Crashes, hangs and floods: whatever comes, the process lives and the next client is served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as http2Connect } from 'node:http2';
import { connect, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { createServer } from 'node:tls';
import fc from 'fast-check';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { converse, openTls, openTunnel, type Setting, startSetting, statusOf, talk } from './attack.ts';

const ca = createTestCa();
let upstream: Upstream;
let forbidden: Upstream;
/** Answers every request with `script`, octet by octet as it stands there. */
let hostile: Server;
let script = '';
let setting: Setting;
let bundle: string;
let hostilePlace: string;

before(async () => {
  [upstream, forbidden] = await Promise.all([
    startUpstream({ tls: { ca, hosts: ['localhost'] } }),
    startUpstream(),
  ]);
  hostile = createServer(ca.issue(['localhost']), (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(script, 'latin1'));
  });
  hostile.listen(0, '127.0.0.1');
  await once(hostile, 'listening');
  const address = hostile.address();
  assert.ok(address !== null && typeof address === 'object');
  hostilePlace = `localhost:${address.port}`;
  setting = await startSetting(
    `allow:\n  - { domain: localhost, port: [${address.port}, ${upstream.port}], cidr: [127.0.0.1/32, "::1/128"], methods: [GET, POST] }\n`,
    { ca },
  );
  bundle = readFileSync(setting.sidecar.bundlePath, 'utf8');
});
after(async () => {
  await setting[Symbol.asyncDispose]();
  hostile.close();
  await upstream.close();
  await forbidden.close();
});

const HEAD = 'HTTP/1.1 200 OK\r\n';
const ANSWERS: Record<string, string> = {
  'an interim answer with a field twice': `HTTP/1.1 103 Early Hints\r\nETag: a\r\nETag: b\r\n\r\n${HEAD}Content-Length: 2\r\n\r\nok`,
  'an interim answer of no known number': `HTTP/1.1 199 X\r\n\r\n${HEAD}Content-Length: 2\r\n\r\nok`,
  'thousands of interim answers': 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(5_000),
  'a trailer twice': `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nETag: a\r\nETag: b\r\n\r\n`,
  'trailers that are framing': `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n`,
  'trailers beyond ASCII': `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Y: \xe4\x80\r\n\r\n`,
  'a content type twice': `${HEAD}Content-Type: a\r\nContent-Type: b\r\nContent-Length: 2\r\n\r\nok`,
  'a status beyond 599': 'HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok',
  'a status of zero': 'HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok',
  'a body where none may be': 'HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok',
  'NUL in a header': `${HEAD}X: a\x00b\r\nContent-Length: 2\r\n\r\nok`,
  'a status text of control characters': 'HTTP/1.1 200 O\x01\xff\r\nContent-Length: 2\r\n\r\nok',
  'an upgrade that nobody asked for':
    'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes',
  'two lengths': `${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok`,
  'a length and a coding': `${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  'headers in boundary’s name': `${HEAD}X-Boundary-Request-Id: forged\r\nAlt-Svc: h3=":443"\r\nContent-Length: 2\r\n\r\nok`,
  'another answer behind its answer': `${HEAD}Content-Length: 2\r\n\r\nok${HEAD}Content-Length: 6\r\n\r\nforged`,
  'a header of a megabyte': `${HEAD}X: ${'x'.repeat(1_048_576)}\r\n\r\n`,
  'no HTTP at all': '\x00\x01\x02\x03\r\n\r\n',
  nothing: '',
};
for (const [name, answer] of Object.entries(ANSWERS)) {
  test(`an upstream that answers ${name} harms its own client alone`, async () => {
    script = answer;
    for (const alpn of ['http/1.1', 'h2']) {
      const { result, lines } = await setting.during(async () => {
        const tls = await openTls(setting.port, hostilePlace, { ca: bundle, alpn: [alpn] });
        if (alpn === 'http/1.1')
          return (await converse(tls, [`GET / HTTP/1.1\r\nHost: ${hostilePlace}\r\n\r\n`])).text;
        const session = http2Connect(`https://${hostilePlace}`, { createConnection: () => tls });
        session.on('error', () => {});
        const stream = session.request({ ':path': '/' }, { endStream: true });
        let seen = '';
        stream.on('error', () => {});
        stream.on('response', (headers) => {
          seen += JSON.stringify(headers);
        });
        stream.on('data', (chunk: Buffer) => {
          seen += chunk;
        });
        await new Promise<void>((resolve) => stream.on('close', () => resolve()));
        session.destroy();
        return seen;
      });
      assert.doesNotMatch(result, /forged|alt-svc/i);
      assert.equal(lines.length, 1);
      await setting.alive();
    }
  });
}

/** Runs a client that speaks HTTP/2 frames of its own making inside opened TLS; ends when the proxy closes. */
async function flood(frames: readonly Buffer[], times: number): Promise<void> {
  const tls = await openTls(setting.port, hostilePlace, { ca: bundle, alpn: ['h2'] });
  tls.on('error', () => {});
  tls.resume();
  const closed = new Promise<void>((resolve) => tls.on('close', () => resolve()));
  tls.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]),
  );
  for (let i = 0; i < times && !tls.destroyed; i++) {
    const piece = Buffer.concat(frames.map((one) => withStream(one, 2 * i + 1)));
    if (!tls.write(piece)) await Promise.race([new Promise((resolve) => tls.once('drain', resolve)), closed]);
  }
  await closed;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function withStream(frame: Buffer, stream: number): Buffer {
  const copy = Buffer.from(frame);
  if (copy.readUInt32BE(5) === 1) copy.writeUInt32BE(stream, 5);
  return copy;
}

/** :method GET, :scheme https, :path / out of the static table (RFC 7541 appendix A). */
const GET_ROOT = Buffer.from([0x82, 0x87, 0x84]);

test('HTTP/2 streams that are reset as fast as they are made end the connection', async () => {
  script = '';
  const cancel = Buffer.from([0, 0, 0, 8]);
  await flood([frame(1, 5, 1, GET_ROOT), frame(3, 0, 1, cancel)], 200_000);
  await setting.alive();
});

test('a header section without end ends the connection', async () => {
  const tls = await openTls(setting.port, hostilePlace, { ca: bundle, alpn: ['h2'] });
  tls.on('error', () => {});
  tls.resume();
  const closed = new Promise<void>((resolve) => tls.on('close', () => resolve()));
  tls.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]),
  );
  tls.write(frame(1, 1, 1, GET_ROOT));
  // CONTINUATION, never with END_HEADERS: a literal field of a thousand octets each.
  const field = Buffer.concat([Buffer.from([0, 1, 0x78, 0x7f, 0xe9, 6]), Buffer.alloc(1_000, 0x78)]);
  for (let i = 0; i < 10_000 && !tls.destroyed; i++) {
    if (!tls.write(frame(9, 0, 1, field)))
      await Promise.race([new Promise((resolve) => tls.once('drain', resolve)), closed]);
  }
  await closed;
  await setting.alive();
});

test('five hundred clients that go away within a request leave nothing open', async () => {
  const place = `localhost:${upstream.port}`;
  const open = async () =>
    (await setting.metrics())
      .split('\n')
      .filter((line) => line.startsWith('boundary_connections{'))
      .join('\n');
  const before = await open();
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const socket = connect(setting.port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        const half = [
          'GET http://loc',
          `POST https://${place}/ HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 100\r\n\r\nhalf`,
          `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
          `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n\x16\x03\x01\x02`,
        ];
        socket.write(half[i % half.length] ?? '', 'latin1');
        if (i % 2 === 0) socket.resetAndDestroy();
        else socket.end();
        await new Promise((resolve) => socket.on('close', resolve).resume());
      }),
    );
  }
  const until = performance.now() + 20_000;
  while ((await open()) !== before) {
    if (performance.now() > until) assert.equal(await open(), before);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await setting.alive();
});

test('octets at random and requests with a change never reach what is forbidden, hang or end the process', async () => {
  const bad = `${setting.otherName}:${forbidden.port}`;
  const seeds = [
    `GET http://${bad}/ HTTP/1.1\r\nHost: ${bad}\r\n\r\n`,
    `POST http://${bad}/ HTTP/1.1\r\nHost: ${bad}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    `CONNECT ${bad} HTTP/1.1\r\nHost: ${bad}\r\n\r\n\x16\x03\x01\x00\x05hello`,
    `GET https://localhost:${upstream.port}/a/../b HTTP/1.1\r\nHost: ${bad}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    `CONNECT localhost:${upstream.port} HTTP/1.1\r\nHost: localhost:${upstream.port}\r\n\r\nGET http://${bad}/ HTTP/1.1\r\nHost: ${bad}\r\n\r\n`,
  ].map((text) => Buffer.from(text, 'latin1'));
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(400), fc.constantFrom('set', 'cut', 'add', 'twice'), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([seed, changes]) => {
      let bytes = seed;
      for (const [where, how, octet] of changes) {
        const at = where % (bytes.length + 1);
        const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)];
        if (how === 'set') bytes = Buffer.concat([before, Buffer.from([octet]), behind.subarray(1)]);
        else if (how === 'cut') bytes = Buffer.concat([before, behind.subarray(octet % 16)]);
        else if (how === 'add') bytes = Buffer.concat([before, Buffer.from([octet]), behind]);
        else bytes = Buffer.concat([before, behind, behind]);
      }
      return bytes;
    });
  const random = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
  const all = fc.sample(fc.oneof({ weight: 4, arbitrary: mutated }, { weight: 1, arbitrary: random }), 1_500);
  for (let i = 0; i < all.length; i += 50) {
    await Promise.all(
      all.slice(i, i + 50).map(async (bytes, nth) => {
        const cut = nth % 3 === 0 ? Math.floor(bytes.length / 2) : bytes.length;
        const heard = await talk(setting.port, [bytes.subarray(0, cut), bytes.subarray(cut)]);
        assert.ok(!heard.text.includes(`GET / 0`), bytes.toString('latin1'));
      }),
    );
    assert.equal(forbidden.bytes(), 0);
  }
  await setting.alive();
});

test('random octets inside opened TLS end that connection', async () => {
  const place = `localhost:${upstream.port}`;
  const before = upstream.requests.length;
  const pieces = fc.sample(fc.uint8Array({ minLength: 30, maxLength: 300 }), 40);
  await Promise.all(
    pieces.map(async (bytes, i) => {
      const tls = await openTls(setting.port, place, { ca: bundle, alpn: [i % 2 === 0 ? 'http/1.1' : 'h2'] });
      await converse(tls as Socket, [Buffer.from(bytes)]);
    }),
  );
  assert.equal(upstream.requests.length, before);
  await setting.alive();
});

test('afterwards an allowed request gets through', async () => {
  const place = `localhost:${upstream.port}`;
  const tls = await openTls(setting.port, place, { ca: bundle });
  assert.equal(statusOf(await converse(tls, [`GET / HTTP/1.1\r\nHost: ${place}\r\n\r\n`])), 200);
  const tunnel = await openTunnel(setting.port, place);
  tunnel.socket.destroy();
});
