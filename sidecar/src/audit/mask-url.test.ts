import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maskUrl } from './mask-url.ts';

for (const [url, masked] of [
  ['https://h/p', 'https://h/p'],
  ['https://h/p?', 'https://h/p?'],
  ['https://h/p?a=1', 'https://h/p?a=***'],
  ['https://h/p?a=1&b=2&c=', 'https://h/p?a=***&b=***&c=***'],
  ['https://h/p?a=1=2', 'https://h/p?a=***'],
  ['https://h/p?TOKEN', 'https://h/p?***'],
  ['https://h/p?a=1;b=2', 'https://h/p?a=***'],
  ['https://h/p?a=1?b=2', 'https://h/p?a=***'],
  ['https://h/p?&&', 'https://h/p?&&'],
  ['https://h/p#tok', 'https://h/p#***'],
  ['https://h/p#tok?a=1', 'https://h/p#***'],
  ['https://h/p?a=1#tok', 'https://h/p?a=***#***'],
  ['https://u:p@h/p', 'https://h/p'],
  ['https://u:p@x@h:8443/p?m=a@b', 'https://h:8443/p?m=***'],
  ['https://h/@scope/pkg', 'https://h/@scope/pkg'],
  ['u:p@h:443', 'h:443'],
  ['https://u:p@', 'https://'],
  ['tls://h:443', 'tls://h:443'],
] as const) {
  test(`${url} is logged as ${masked}`, () => assert.equal(maskUrl(url), masked));
}

test('no value of a query and no user information survives', () => {
  const word = fc.stringMatching(/^[a-z0-9%=;/?]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,5}$/), word)), word, (pairs, user) => {
      const query = pairs.map(([key, value]) => `${key}=SECRET${value}SECRET`).join('&');
      const masked = maskUrl(`https://${user.replace(/[/?]/g, '')}SECRET@host/path?${query}`);
      assert.ok(!masked.includes('SECRET'), masked);
      assert.ok(masked.startsWith('https://host/path?'));
    }),
  );
});
