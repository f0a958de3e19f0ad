import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectTarget } from './connect-target.ts';

test('CONNECT names one host and its port', () => {
  const cases: readonly [string, string[], string | null][] = [
    ['a.example:443', [], 'a.example:443'],
    ['A.example.:443', ['Host', 'a.example:443'], 'a.example:443'],
    ['a.example:443', ['Host', 'a.example'], 'a.example:443'],
    ['[::1]:443', ['Host', '[::1]'], '::1:443'],
    ['a.example:443', ['Host', 'a.example:80'], null],
    ['a.example:443', ['Host', 'b.example:443'], null],
    ['a.example:443', ['Host', 'a.example', 'host', 'a.example'], null],
    ['a.example:443', ['Host', ''], null],
    ['a.example', [], null],
    ['https://a.example:443', [], null],
    ['a.example:443/x', [], null],
    ['u@a.example:443', [], null],
    ['127.1:443', [], null],
    ['g\xd1\x96thub.com:443', [], null],
  ];
  for (const [target, headers, expected] of cases) {
    const parsed = connectTarget(target, headers);
    assert.equal(parsed.ok ? `${parsed.value.host}:${parsed.value.port}` : null, expected, target);
  }
});
