import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { connectTarget } from './connect-target.ts';
import { parseAuthority } from './host.ts';
import { httpTarget, urlTarget } from './http-target.ts';
import { originOf, urlOf } from './target-text.ts';
import type { Endpoint, HttpTarget, Parsed } from './types.ts';

type Outcome = string | number;

/** `METHOD URL`, with overrides and upgrade where there are any; or the status of the refusal. */
function outcome(parsed: Parsed<HttpTarget>): Outcome {
  if (!parsed.ok) return parsed.refusal.status;
  const { method, overrides, upgrade } = parsed.value;
  return [
    method,
    urlOf(parsed.value),
    ...overrides,
    ...(upgrade === null ? [] : [`upgrade=${upgrade}`]),
  ].join(' ');
}

function endpoint(text: string): Endpoint {
  const parsed = parseAuthority(text, null);
  assert.ok(parsed.ok);
  return parsed.value;
}

function explicit(method: string, requestTarget: string, ...rawHeaders: string[]): Outcome {
  return outcome(
    httpTarget({ scheme: 'http', method, requestTarget, rawHeaders, endpoint: null, serverName: null }),
  );
}

function inside(
  scheme: 'http' | 'https',
  to: string,
  method: string,
  requestTarget: string,
  rawHeaders: string[],
  serverName: string | null = null,
): Outcome {
  return outcome(
    httpTarget({ scheme, method, requestTarget, rawHeaders, endpoint: endpoint(to), serverName }),
  );
}

test('on the explicit port a request names its whole URL', () => {
  const cases: readonly [Outcome, ...[string, string, ...string[]]][] = [
    ['GET http://a.example/x?q=1', 'GET', 'http://a.example/x?q=1', 'Host', 'a.example'],
    ['GET http://a.example/', 'GET', 'http://A.example.:80', 'host', 'a.EXAMPLE:80'],
    ['GET http://a.example/?q', 'GET', 'http://a.example?q', 'Host', 'a.example'],
    ['GET http://a.example:8080/', 'GET', 'HTTP://a.example:8080/', 'Host', 'a.example:8080'],
    // In clear text to the proxy, but never beyond it.
    ['GET https://a.example/x', 'GET', 'https://a.example/x', 'Host', 'a.example'],
    ['GET https://a.example/x', 'GET', 'https://a.example/x', 'Host', 'a.example:443'],
    [400, 'GET', 'https://a.example/x', 'Host', 'a.example:80'],
    ['GET http://a.example/', 'GET', 'http://a.example/'],
    ['GET http://[2001:db8::1]/', 'GET', 'http://[2001:DB8::0:1]/', 'Host', '[2001:db8::1]'],
    ['OPTIONS http://a.example', 'OPTIONS', 'http://a.example', 'Host', 'a.example'],
    ['OPTIONS http://a.example/', 'OPTIONS', 'http://a.example/', 'Host', 'a.example'],
    [400, 'OPTIONS', 'http://a.example?q', 'Host', 'a.example'],
    [400, 'GET', '/x', 'Host', 'a.example'],
    [400, 'GET', 'github.com:443/x', 'Host', 'evil.example'],
    [400, 'GET', 'github.com:443', 'Host', 'github.com'],
    [400, 'GET', 'ftp://a.example/', 'Host', 'a.example'],
    [400, 'GET', 'http:///x', 'Host', ''],
    [400, 'GET', 'http://u:p@a.example/', 'Host', 'a.example'],
    [400, 'GET', 'http://github.com@evil.example/', 'Host', 'evil.example'],
    [400, 'GET', 'http://evil.example#github.com/', 'Host', 'evil.example'],
    [400, 'GET', 'http://evil.example\\@github.com/', 'Host', 'github.com'],
    [400, 'GET', 'http://a.example/#x', 'Host', 'a.example'],
    [400, 'GET', 'http://a.example/?a#x', 'Host', 'a.example'],
    [400, 'GET', 'http://a.example/allowed/../x', 'Host', 'a.example'],
    [400, 'GET', 'http://2852039166/', 'Host', '2852039166'],
    [400, 'GET', 'http://g\xd1\x96thub.com/', 'Host', 'g\xd1\x96thub.com'],
    [414, 'GET', `http://a.example/${'a'.repeat(65_536)}`, 'Host', 'a.example'],
  ];
  for (const [expected, method, target, ...headers] of cases) {
    assert.equal(explicit(method, target, ...headers), expected, `${method} ${target.slice(0, 60)}`);
  }
});

test('Host says what the request line says', () => {
  const url = 'http://a.example/';
  const cases: readonly [Outcome, ...string[]][] = [
    [400, 'Host', 'b.example'],
    [400, 'Host', 'a.example:81'],
    [400, 'Host', ''],
    [400, 'Host', 'a.example', 'Host', 'a.example'],
    [400, 'Host', 'a.example', 'HOST', 'b.example'],
    [400, 'Host', 'u@a.example'],
    [400, 'Host', 'a.example/x'],
    [400, 'Host', 'a.example, b.example'],
    ['GET http://a.example/', 'X-Forwarded-Host', 'b.example', 'Host', 'a.example'],
  ];
  for (const [expected, ...headers] of cases)
    assert.equal(explicit('GET', url, ...headers), expected, headers.join());
});

test('a refusal lists every name that was claimed, and no secret', () => {
  const parsed = httpTarget({
    scheme: 'http',
    method: 'GET',
    requestTarget: 'http://allowed.example/?token=secret',
    rawHeaders: ['Host', 'denied.example'],
    endpoint: null,
    serverName: null,
  });
  assert.ok(!parsed.ok);
  assert.deepEqual(parsed.refusal.claimed, ['allowed.example', 'denied.example']);
  assert.doesNotMatch(parsed.refusal.reason, /secret/);
  const scheme = urlTarget('GET', 'ftp://user:secret@a.example/?secret');
  assert.ok(!scheme.ok && !/secret/.test(scheme.refusal.reason));
});

test('methods are known and in upper case', () => {
  const host = ['Host', 'a.example'];
  assert.equal(explicit('PROPFIND', 'http://a.example/', ...host), 'PROPFIND http://a.example/');
  assert.equal(explicit('get', 'http://a.example/', ...host), 400);
  assert.equal(explicit('BREW', 'http://a.example/', ...host), 501);
  assert.equal(explicit('', 'http://a.example/', ...host), 501);
  assert.equal(explicit('CONNECT', 'http://a.example/', ...host), 400);
});

test('every method that a header claims is known to the policy', () => {
  const headers = (...more: string[]) => explicit('POST', 'http://a.example/', 'Host', 'a.example', ...more);
  assert.equal(headers('x-http-method-override', 'delete'), 'POST http://a.example/ DELETE');
  assert.equal(
    headers('X-HTTP-Method', 'PUT', 'X-Method-Override', 'PATCH'),
    'POST http://a.example/ PUT PATCH',
  );
  assert.equal(headers('X-HTTP-Method-Override', 'GET, DELETE'), 400);
  assert.equal(headers('X-HTTP-Method-Override', ''), 400);
});

test('a body has one length', () => {
  const headers = (...more: string[]) => explicit('POST', 'http://a.example/', 'Host', 'a.example', ...more);
  const fine = 'POST http://a.example/';
  assert.equal(headers('Content-Length', '5'), fine);
  assert.equal(headers('Transfer-Encoding', 'chunked'), fine);
  assert.equal(headers('Transfer-Encoding', 'Chunked'), fine);
  for (const bad of [
    ['Content-Length', '5', 'Content-Length', '5'],
    ['Content-Length', '5, 5'],
    ['Content-Length', '+5'],
    ['Content-Length', '5', 'Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', 'chunked', 'Content-Length', '5'],
    ['Transfer-Encoding', 'xchunked'],
    ['Transfer-Encoding', 'gzip, chunked'],
    ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', '\x0bchunked'],
    ['Transfer-Encoding', 'identity'],
  ]) {
    assert.equal(headers(...bad), 400, bad.join());
  }
});

test('an upgrade is to one protocol that Connection asks for', () => {
  const get = (...more: string[]) => explicit('GET', 'http://a.example/', 'Host', 'a.example', ...more);
  const plain = 'GET http://a.example/';
  assert.equal(
    get('Connection', 'keep-alive, Upgrade', 'Upgrade', 'WebSocket'),
    `${plain} upgrade=websocket`,
  );
  assert.equal(get('Upgrade', 'DERP', 'Connection', 'upgrade'), `${plain} upgrade=derp`);
  assert.equal(get('Connection', 'Upgrade, HTTP2-Settings', 'Upgrade', 'h2c'), `${plain} upgrade=h2c`);
  assert.equal(get('Upgrade', 'websocket'), plain);
  assert.equal(get('Connection', 'Upgrade', 'Upgrade', 'websocket, h2c'), 400);
  assert.equal(get('Connection', 'Upgrade', 'Upgrade', 'websocket', 'Upgrade', 'h2c'), 400);
  assert.equal(
    explicit(
      'POST',
      'http://a.example/',
      'Host',
      'a.example',
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
    ),
    400,
  );
});

test('inside a connection everything agrees with its endpoint', () => {
  const host = ['Host', 'a.example'];
  assert.equal(inside('https', 'a.example:443', 'GET', '/x', host, 'a.example'), 'GET https://a.example/x');
  assert.equal(inside('https', 'a.example:443', 'GET', '/x', host), 'GET https://a.example/x');
  assert.equal(inside('http', 'a.example:80', 'OPTIONS', '*', host), 'OPTIONS http://a.example');
  assert.equal(inside('http', 'a.example:80', 'GET', '*', host), 400);
  assert.equal(
    inside('https', 'a.example:443', 'GET', 'https://a.example/x', host),
    'GET https://a.example/x',
  );
  assert.equal(inside('https', 'a.example:443', 'GET', 'http://a.example/x', host), 400);
  assert.equal(inside('https', 'a.example:443', 'GET', 'https://b.example/x', ['Host', 'b.example']), 400);
  assert.equal(inside('https', 'a.example:443', 'GET', '/x', ['Host', 'b.example'], 'a.example'), 400);
  assert.equal(inside('https', 'a.example:443', 'GET', '/x', host, 'b.example'), 421);
  assert.equal(inside('https', 'a.example:443', 'GET', '/x', []), 400);
  assert.equal(inside('https', 'a.example:8443', 'GET', '/x', host), 400);
  assert.equal(
    inside('https', 'a.example:8443', 'GET', '/x', ['Host', 'a.example:8443']),
    'GET https://a.example:8443/x',
  );
  assert.equal(inside('https', '192.0.2.1:443', 'GET', '/', ['Host', 'a.example']), 400);
  assert.equal(inside('https', '192.0.2.1:443', 'GET', '/', ['Host', '192.0.2.1']), 'GET https://192.0.2.1/');
});

test('a URL that was written down may hold letters beyond ASCII', () => {
  assert.equal(
    outcome(urlTarget('GET', 'https://bücher.example/ü?ü')),
    'GET https://xn--bcher-kva.example/%C3%BC?%C3%BC',
  );
  assert.equal(outcome(urlTarget('GET', 'https://a.example/\ud800')), 'GET https://a.example/%EF%BF%BD');
  assert.equal(outcome(urlTarget('GET', 'https://a.example/../x')), 400);
  assert.equal(outcome(urlTarget('GET', 'a.example/x')), 400);
});

test('an origin is written with its port only where that is not the usual one', () => {
  assert.equal(originOf({ scheme: 'http', ...endpoint('[::1]:443') }), 'http://[::1]:443');
  assert.equal(originOf({ scheme: 'https', ...endpoint('[::1]:443') }), 'https://[::1]');
  assert.equal(
    urlOf({ kind: 'tunnel', protocol: 'tls', ...endpoint('a.example:443') }),
    'tls://a.example:443',
  );
});

const token = fc.string({ unit: fc.constantFrom(...'aA.:/?#@[]%2e\\ \x00\xff*;'), maxLength: 20 });
const requestTarget = fc.oneof(
  token,
  token.map((text) => `/${text}`),
  fc.webUrl({ withQueryParameters: true }),
  fc.tuple(fc.constantFrom('http', 'https', 'HTTP'), token, token).map(([s, a, p]) => `${s}://${a}/${p}`),
);
const header = fc.tuple(
  fc.constantFrom(
    'Host',
    'host',
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
    'Upgrade',
    'X-HTTP-Method',
  ),
  fc.oneof(token, fc.constantFrom('chunked', 'a.example', 'upgrade', 'PUT', '5')),
);

test('no request makes a parser throw, and a target read back is the same target', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'OPTIONS', 'POST', 'get', 'BREW'),
      requestTarget,
      fc.array(header, { maxLength: 4 }),
      fc.constantFrom(null, endpoint('a.example:443'), endpoint('192.0.2.1:80')),
      fc.constantFrom(null, 'a.example'),
      (method, text, headers, to, serverName) => {
        const parsed = httpTarget({
          scheme: to?.port === 443 ? 'https' : 'http',
          method,
          requestTarget: text,
          rawHeaders: headers.flat(),
          endpoint: to,
          serverName,
        });
        connectTarget(text, headers.flat());
        urlTarget(method, text);
        if (!parsed.ok) return;
        const again = urlTarget(method, urlOf(parsed.value).replace(/[\x80-\xff]/g, 'x'));
        assert.ok(again.ok);
        const { overrides, upgrade, query, ...rest } = parsed.value;
        assert.deepEqual(
          { ...again.value, overrides, upgrade, query },
          { ...rest, overrides, upgrade, query },
        );
      },
    ),
    { numRuns: 5000 },
  );
});
