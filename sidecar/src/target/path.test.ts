import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalisePath } from './path.ts';

const PATHS: readonly [raw: string, path: string | null][] = [
  ['/', '/'],
  ['/a/b.c', '/a/b.c'],
  ['/a//b/', '/a//b/'],
  ['/%61%2Db%7e', '/a-b~'],
  ['/%c3%bc', '/%C3%BC'],
  ['/\xc3\xbc', '/%C3%BC'],
  ['/a%2fb', '/a%2Fb'],
  ['/a%3fb%23', '/a%3Fb%23'],
  ['/[x]/{y}|z', '/[x]/%7By%7D%7Cz'],
  ['/%255C', '/%255C'],
  ['/@scope%2fname', '/@scope%2Fname'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/a/..b/.c', '/a/..b/.c'],
  ['/a/%2e%2eb', '/a/..b'],
  ['/v1;x=1/y', '/v1;x=1/y'],
  // dot segments
  ['/a/../b', null],
  ['/a/./b', null],
  ['/..', null],
  ['/a/.', null],
  ['/a/%2e%2e/b', null],
  ['/a/%2E./b', null],
  ['/a/.%2e', null],
  ['/a%2f..%2fb', null],
  ['/a%2F%2e%2e', null],
  ['/a/..%2fb', null],
  ['/a/..;/b', null],
  ['/a/..;x=1/b', null],
  ['/a/..%3bx/b', null],
  ['/a/%252e%252e/b', null],
  ['/a/%25252e./b', null],
  ['/a%252f..%252fb', null],
  // octets
  ['/a\\b', null],
  ['/a%5cb', null],
  ['/a%5C..%5Cb', null],
  ['/%00', null],
  ['/a%0d%0ab', null],
  ['/%7f', null],
  ['/a\tb', null],
  ['/a b', null],
  ['/a#b', null],
  ['/a?b', null],
  ['/%', null],
  ['/%zz', null],
  ['/%2', null],
  ['/%c0%ae%c0%ae/x', null],
  ['/\xc0\xaf', null],
  ['/\u0100', null],
  ['', null],
  ['a', null],
  ['*', null],
];

test('a path has one normal form or is refused', () => {
  for (const [raw, path] of PATHS) {
    const parsed = normalisePath(raw);
    assert.equal(parsed.ok ? parsed.value : null, path, raw);
    if (!parsed.ok) assert.equal(parsed.refusal.status, 400);
  }
});

const pathish = fc
  .string({ unit: fc.constantFrom(...'/.;%2eEfF50ca~[{|\\?# \x00\x7f\x80\xff\u0100b'), maxLength: 30 })
  .map((text) => `/${text}`);

test('no text makes the path parser throw; its result is fixed, and no decoding of it climbs', () => {
  fc.assert(
    fc.property(fc.oneof(pathish, fc.string({ unit: 'binary' })), (raw) => {
      const parsed = normalisePath(raw);
      if (!parsed.ok) return;
      assert.deepEqual(normalisePath(parsed.value), parsed);
      // A slow plain reference: decode as often as anything changes, and look at the segments each time.
      let before = '';
      for (let seen = parsed.value; seen !== before; ) {
        const segments = seen.split(/\/|%2f/i).map((segment) => segment.split(/;|%3b/i)[0]);
        assert.ok(!segments.some((segment) => segment === '.' || segment === '..'), `${raw} -> ${seen}`);
        before = seen;
        seen = seen.replace(/%2[5e]/gi, (hex) => (hex.toLowerCase() === '%25' ? '%' : '.'));
      }
      assert.match(parsed.value, /^\/[\x21-\x7e]*$/);
    }),
    { numRuns: 5000 },
  );
});

test('the path that is judged is the one that a URL parser keeps', () => {
  fc.assert(
    fc.property(pathish, (raw) => {
      const parsed = normalisePath(raw);
      if (parsed.ok) assert.equal(new URL(`http://h${parsed.value}`).pathname, parsed.value);
    }),
    { numRuns: 2000 },
  );
});
