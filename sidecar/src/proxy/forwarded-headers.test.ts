import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announcedLength, forwardRequest, forwardResponse } from './forwarded-headers.ts';

const REQUESTS: readonly [string, readonly string[], readonly string[]][] = [
  [
    'order and case stay',
    ['B', '1', 'hOsT', 'x', 'a', '2', 'B', '3'],
    ['B', '1', 'hOsT', 'h', 'a', '2', 'B', '3'],
  ],
  ['a missing Host comes first', ['A', '1'], ['Host', 'h', 'A', '1']],
  [
    'hop-by-hop goes',
    ['Host', 'x', 'Keep-Alive', '5', 'TE', 'trailers', 'Upgrade', 'h2c', 'HTTP2-Settings', 'A'],
    ['Host', 'h'],
  ],
  [
    'credentials for the proxy go',
    ['Host', 'x', 'Proxy-Authorization', 'Basic eA==', 'Proxy-Connection', 'close'],
    ['Host', 'h'],
  ],
  [
    'what Connection names goes, wherever it stands',
    ['X-A', '1', 'Host', 'x', 'Connection', 'close, x-a', 'X-a', '2', 'Y', '3'],
    ['Host', 'h', 'Y', '3'],
  ],
  [
    'Connection cannot take Host or the length away',
    ['Connection', 'host, content-length', 'Host', 'x', 'Content-Length', '3'],
    ['Host', 'h', 'Content-Length', '3'],
  ],
  ['nobody speaks in our name', ['Host', 'x', 'X-BOUNDARY-Verdict', 'allow'], ['Host', 'h']],
];

for (const [name, raw, wanted] of REQUESTS) {
  test(`request: ${name}`, () => assert.deepEqual(forwardRequest(raw, 'h', [], false).headers, wanted));
}

test('an injected header replaces every copy of the client’s', () => {
  const raw = ['Host', 'x', 'authorization', 'mine', 'AUTHORIZATION', 'mine too', 'A', '1'];
  const { headers } = forwardRequest(raw, 'h', [{ header: 'Authorization', value: 'ours' }], false);
  assert.deepEqual(headers, ['Host', 'h', 'A', '1', 'Authorization', 'ours']);
});

test('HTTP/2: pseudo-headers go, cookie crumbs are joined, gRPC promises to read trailers', () => {
  const raw = [
    ':method',
    'POST',
    ':path',
    '/',
    'cookie',
    'a=1',
    'content-type',
    'application/grpc',
    'cookie',
    'b=2',
    'te',
    'trailers',
  ];
  const forwarded = forwardRequest(raw, 'h', [], true);
  assert.equal(forwarded.isGrpc, true);
  assert.deepEqual(forwarded.headers, [
    'host',
    'h',
    'cookie',
    'a=1; b=2',
    'content-type',
    'application/grpc',
    'te',
    'trailers',
  ]);
});

test('what a request says of its body', () => {
  const facts = (raw: string[]) => {
    const { contentLength, hasBody, expect, acceptsJson } = forwardRequest(
      ['Host', 'x', ...raw],
      'h',
      [],
      false,
    );
    return { contentLength, hasBody, expect, acceptsJson };
  };
  const none = { contentLength: null, hasBody: false, expect: null, acceptsJson: false };
  assert.deepEqual(facts([]), none);
  assert.deepEqual(facts(['Content-Length', '0']), { ...none, contentLength: 0 });
  assert.deepEqual(facts(['Content-Length', '7', 'Expect', '100-continue']), {
    ...none,
    contentLength: 7,
    hasBody: true,
    expect: '100-continue',
  });
  assert.deepEqual(facts(['Transfer-Encoding', 'chunked', 'Accept', 'text/html, application/json']), {
    ...none,
    hasBody: true,
    acceptsJson: true,
  });
});

test('answers lose what belongs to the connection, Alt-Svc and our own names', () => {
  const raw = [
    'Server',
    's',
    'Alt-Svc',
    'h3=":443"',
    'Connection',
    'x-hop',
    'X-Hop',
    '1',
    'Transfer-Encoding',
    'chunked',
    'X-Boundary-Request-Id',
    'f',
    'Set-Cookie',
    'a',
    'Set-Cookie',
    'b',
  ];
  assert.deepEqual(forwardResponse(raw, true), ['Server', 's', 'Set-Cookie', 'a', 'Set-Cookie', 'b']);
});

test('trailers are announced only where they can be sent', () => {
  assert.deepEqual(forwardResponse(['Trailer', 'X'], true), ['Trailer', 'X']);
  assert.deepEqual(forwardResponse(['Trailer', 'X'], false), []);
  assert.deepEqual(forwardResponse(['Trailer', 'X', 'Content-Length', '3'], true), ['Content-Length', '3']);
});

test('the announced length of an answer', () => {
  assert.equal(announcedLength(['A', 'b', 'content-LENGTH', '12']), 12);
  assert.equal(announcedLength(['A', 'b']), 0);
});
