/** Where one request ends and the next begins: nothing that two readers read in two ways is sent on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { type Setting, startSetting, statusOf, talk } from './attack.ts';

let upstream: Upstream;
let forbidden: Upstream;
let setting: Setting;

before(async () => {
  upstream = await startUpstream({
    handler(request, response) {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString('latin1');
      });
      const answer = () => response.end(`[${request.method} ${request.url} ${body}]`);
      request.on('end', () => {
        // `/slow` is never answered.
        if (request.url !== '/slow') answer();
      });
    },
  });
  forbidden = await startUpstream();
  setting = await startSetting(`allow:
  - { domain: localhost, port: ${upstream.port}, cidr: [127.0.0.1/32, "::1/128"], methods: [GET, POST] }
  - { domain: localhost, port: ${upstream.port}, cidr: [127.0.0.1/32, "::1/128"], path: /small, methods: [PUT], limits: { request_body: 10B } }
`);
});
after(async () => {
  await setting[Symbol.asyncDispose]();
  await upstream.close();
  await forbidden.close();
});

function filled(text: string): string {
  return text
    .replaceAll('{a}', `localhost:${upstream.port}`)
    .replaceAll('{f}', `${setting.otherName}:${forbidden.port}`)
    .replaceAll('\n', '\r\n')
    .replaceAll('{LF}', '\n')
    .replaceAll('{CR}', '\r');
}

const SECOND = 'GET http://{f}/second HTTP/1.1\nHost: {f}\n\n';

const MALFORMED: Record<string, string> = {
  'Content-Length beside Transfer-Encoding': `POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n${SECOND}`,
  'Transfer-Encoding beside Content-Length': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n${SECOND}`,
  'two Content-Lengths that differ': `POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 0\nContent-Length: 60\n\n${SECOND}`,
  'two Content-Lengths that agree': `POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 3\nContent-Length: 3\n\nabc`,
  'a list of Content-Lengths': 'POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 3, 3\n\nabc',
  'a Content-Length with a sign': 'POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: +3\n\nabc',
  'a Content-Length in hex': 'POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 0x3\n\nabc',
  'a negative Content-Length': 'POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: -3\n\nabc',
  'a Content-Length beyond any number':
    'POST http://{a}/ HTTP/1.1\nHost: {a}\nContent-Length: 99999999999999999999\n\nabc',
  'an unknown transfer coding': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: xchunked\n\n0\n\n${SECOND}`,
  'a coding before chunked':
    'POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: gzip, chunked\n\n0\n\n',
  'a coding behind chunked':
    'POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: chunked, identity\n\n0\n\n',
  'two Transfer-Encodings': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n${SECOND}`,
  'a folded Transfer-Encoding': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding:\n chunked\n\n0\n\n${SECOND}`,
  'a vertical tab before chunked': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: \x0bchunked\n\n0\n\n${SECOND}`,
  'a space before the colon': `POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding : chunked\n\n0\n\n${SECOND}`,
  'a bare CR in a header': `GET http://{a}/ HTTP/1.1\nHost: {a}\nX: a{CR}Host: {f}\n\n`,
  'a bare LF after a header': `GET http://{a}/ HTTP/1.1\nHost: {a}\nX: a{LF}Y: b\n\n`,
  'a bare LF after the request line': `GET http://{a}/ HTTP/1.1{LF}Host: {a}\n\n`,
  'NUL in a header': `GET http://{a}/ HTTP/1.1\nHost: {a}\nX: a\x00b\n\n`,
  'a header without a name': 'GET http://{a}/ HTTP/1.1\nHost: {a}\n: x\n\n',
  'a header without a colon': 'GET http://{a}/ HTTP/1.1\nHost: {a}\nX\n\n',
  'a line that begins with a space before the first header':
    'GET http://{a}/ HTTP/1.1\n Host: {f}\nHost: {a}\n\n',
  'HTTP/1.2': 'GET http://{a}/ HTTP/1.2\nHost: {a}\n\n',
  'HTTP/2 without TLS': 'PRI * HTTP/2.0\n\nSM\n\n',
  'TLS on the proxy’s own port': '\x16\x03\x01\x00\x05hello',
  'SOCKS on the proxy’s own port': '\x05\x01\x00',
};
for (const [name, text] of Object.entries(MALFORMED)) {
  test(`${name} is answered 400, recorded once, and nothing of it is sent on`, async () => {
    const before = [upstream.requests.length, forbidden.bytes()];
    const { result, lines } = await setting.during(() =>
      talk(setting.port, filled(text), { keepOpen: true }),
    );
    assert.equal(statusOf(result), 400, result.text);
    assert.equal(result.text.match(/HTTP\/1\.1 \d/g)?.length, 1, result.text);
    assert.deepEqual([upstream.requests.length, forbidden.bytes()], before);
    assert.equal(lines.length, 1, JSON.stringify(lines));
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

/** Bodies that break off are a cut of the connection: the answer may be missing, the upstream sees no complete request. */
const BROKEN_BODIES: Record<string, string> = {
  'a chunk size that is no number': 'zz\nabc\n0\n\n',
  'a chunk size with a sign': '-3\nabc\n0\n\n',
  'a chunk that is longer than it says': '3\nabcdef\n0\n\n',
  'a chunk ended by a bare LF': '3{LF}abc{LF}0{LF}{LF}',
  'a chunk size beyond any number': 'ffffffffffffffffff\nabc',
  'a chunked body without its end': '3\nabc\n',
};
for (const [name, body] of Object.entries(BROKEN_BODIES)) {
  test(`${name} never becomes a complete request`, async () => {
    const before = upstream.requests.length;
    const head = 'POST http://{a}/ HTTP/1.1\nHost: {a}\nTransfer-Encoding: chunked\n\n';
    const { result } = await setting.during(() => talk(setting.port, filled(head + body + SECOND)));
    assert.ok(!result.text.includes('[POST'), result.text);
    assert.equal(forbidden.bytes(), 0);
    // The head may have gone upstream with what was good of the body; the answer of a complete request may not come.
    assert.ok(upstream.requests.length - before <= 1);
  });
}

test('the control: the same bodies, well formed, get through', async () => {
  const head = filled('POST http://{a}/ HTTP/1.1\nHost: {a}\n');
  const { result: sized } = await setting.during(() =>
    talk(setting.port, `${head}Content-Length: 3\r\n\r\nabc`),
  );
  assert.match(sized.text, /\[POST \/ abc\]/);
  const { result: chunked } = await setting.during(() =>
    talk(setting.port, `${head}Transfer-Encoding: chunked\r\n\r\n3;ext="a;b"\r\nabc\r\n0\r\n\r\n`),
  );
  assert.match(chunked.text, /\[POST \/ abc\]/);
});

test('the unread body of a denied request is never taken for a request', async () => {
  const inner = filled(SECOND);
  const head = filled('DELETE http://{a}/x HTTP/1.1\nHost: {a}\n');
  const then = filled('GET http://{a}/then HTTP/1.1\nHost: {a}\n\n');
  const { result, lines } = await setting.during(
    () => talk(setting.port, [`${head}Content-Length: ${inner.length}\r\n\r\n`, inner, then]),
    2,
  );
  assert.equal(statusOf(result), 403);
  assert.match(result.text, /\[GET \/then \]/);
  assert.deepEqual(
    lines.map(({ verdict }) => verdict),
    ['deny', 'allow'],
  );
  assert.equal(forbidden.bytes(), 0);
});

test('requests sent in one piece are judged one by one', async () => {
  const piece = [
    'GET http://{a}/1 HTTP/1.1\nHost: {a}\n\n',
    SECOND,
    'DELETE http://{a}/3 HTTP/1.1\nHost: {a}\n\n',
    'GET http://{a}/4 HTTP/1.1\nHost: {a}\n\n',
  ];
  const { result, lines } = await setting.during(() => talk(setting.port, filled(piece.join(''))), 4);
  assert.deepEqual(
    [...result.text.matchAll(/HTTP\/1.1 ([2-5]\d+)/g)].map(([, status]) => status),
    ['200', '403', '403', '200'],
  );
  assert.match(result.text, /\[GET \/1 \][\s\S]*\[GET \/4 \]/);
  assert.equal(forbidden.bytes(), 0);
  assert.equal(lines.filter(({ verdict }) => verdict === 'deny').length, 2);
});

for (const [name, behind] of Object.entries({
  'a CONNECT': 'CONNECT {a} HTTP/1.1\nHost: {a}\n\nGET /in HTTP/1.1\nHost: {a}\n\n',
  'an upgrade':
    'GET http://{a}/ws HTTP/1.1\nHost: {a}\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n',
})) {
  test(`${name} behind a request that is not answered yet is refused and recorded`, async () => {
    const before = upstream.requests.length;
    const { lines } = await setting.during(
      () => talk(setting.port, filled(`GET http://{a}/slow HTTP/1.1\nHost: {a}\n\n${behind}`)),
      2,
    );
    assert.ok(lines.some(({ verdict }) => verdict === 'deny'));
    assert.ok(upstream.requests.length - before <= 1);
    await setting.alive();
  });
}

const UPGRADES: Record<string, string> = {
  h2c: 'Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
  'another protocol': 'Connection: Upgrade\nUpgrade: ssh',
  'an empty name': 'Connection: Upgrade\nUpgrade: ',
};
for (const [name, headers] of Object.entries(UPGRADES)) {
  test(`an upgrade to ${name} is refused with 403`, async () => {
    const before = upstream.requests.length;
    const { result, lines } = await setting.during(() =>
      talk(setting.port, filled(`GET http://{a}/ HTTP/1.1\nHost: {a}\n${headers}\n\n${SECOND}`)),
    );
    assert.equal(statusOf(result), 403, result.text);
    assert.equal(upstream.requests.length, before);
    assert.equal(forbidden.bytes(), 0);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

test('hop-by-hop headers and headers in boundary’s name stay here', async () => {
  const from = upstream.requests.length;
  const headers = [
    'Connection: X-Secret, close, content-length, host',
    'X-Secret: 1',
    'Proxy-Authorization: Basic c2VjcmV0',
    'Proxy-Connection: keep-alive',
    'Keep-Alive: timeout=5',
    'TE: trailers',
    'X-Boundary-Request-Id: forged',
    'X-Kept: yes',
  ];
  const { lines } = await setting.during(() =>
    talk(setting.port, filled(`GET http://{a}/ HTTP/1.1\nHost: {a}\n${headers.join('\n')}\n\n`)),
  );
  assert.deepEqual(upstream.requests[from]?.rawHeaders, [
    'Host',
    `localhost:${upstream.port}`,
    'X-Kept',
    'yes',
  ]);
  assert.doesNotMatch(JSON.stringify(lines), /forged|c2VjcmV0/);
});

test('trailers of a request cannot restate its head', async () => {
  const trailers: string[] = [];
  const counting = await startUpstream({
    handler(request, response) {
      request.resume();
      request.on('end', () => {
        trailers.push(...request.rawTrailers);
        response.end();
      });
    },
  });
  await using there = await startSetting(
    `allow:\n  - { domain: localhost, port: ${counting.port}, cidr: [127.0.0.1/32, "::1/128"], methods: [POST] }\n`,
  );
  const place = `localhost:${counting.port}`;
  const request = `POST http://${place}/ HTTP/1.1\nHost: ${place}\nTransfer-Encoding: chunked\n\n1\na\n0\nHost: evil.test\nX-HTTP-Method-Override: DELETE\nAuthorization: x\nX-Boundary-Run: forged\nX-Sum: 1\n\n`;
  const heard = await talk(there.port, request.replaceAll('\n', '\r\n'));
  assert.equal(statusOf(heard), 200, heard.text);
  assert.deepEqual(trailers, ['X-Sum', '1']);
  await counting.close();
});

const TOO_MUCH: Record<string, [text: string, status: number]> = {
  'a URL over 64 KiB': [`GET http://{a}/${'x'.repeat(70_000)} HTTP/1.1\nHost: {a}\n\n`, 414],
  'a header of 70 KB': [`GET http://{a}/ HTTP/1.1\nHost: {a}\nX: ${'x'.repeat(70_000)}\n\n`, 431],
  'ten thousand headers': [
    `GET http://{a}/ HTTP/1.1\nHost: {a}\n${Array.from({ length: 10_000 }, (_, i) => `X-${i}: ${i}\n`).join('')}\n`,
    431,
  ],
  'a body over its limit, announced': [
    'PUT http://{a}/small HTTP/1.1\nHost: {a}\nContent-Length: 11\n\n12345678901',
    413,
  ],
};
for (const [name, [text, status]] of Object.entries(TOO_MUCH)) {
  test(`${name} is answered ${status} and recorded`, async () => {
    const before = upstream.requests.length;
    const { result, lines } = await setting.during(() =>
      talk(setting.port, filled(text), { keepOpen: status !== 413 }),
    );
    assert.equal(statusOf(result), status, result.text.slice(0, 300));
    assert.equal(upstream.requests.length, before);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

test('a body over its limit that was not announced is cut, and never looks complete', async () => {
  const head = filled('PUT http://{a}/small HTTP/1.1\nHost: {a}\nTransfer-Encoding: chunked\n\n');
  const { result, lines } = await setting.during(() =>
    talk(setting.port, [head, '8\r\n12345678\r\n', '8\r\n12345678\r\n0\r\n\r\n']),
  );
  assert.ok(!result.text.includes('[PUT'), result.text);
  assert.ok(statusOf(result) === 413 || statusOf(result) === null, result.text);
  assert.notEqual(lines[0]?.error, null);
});

test('half a head is let go when the client goes', async () => {
  const socket = connect(setting.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(filled('GET http://{a}/ HTTP/1.1\nHost:'));
  socket.destroy();
  await once(socket, 'close');
  await setting.alive();
});
