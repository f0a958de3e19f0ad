import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quote } from './refusal.ts';

test('what a message repeats of a client is bounded, printable, and without what may be a secret', () => {
  for (const [text, quoted] of [
    ['github.com', '"github.com"'],
    ['a"b\n', '"a\\"b\\n"'],
    ['/a?token=s3cret', '"/a?..."'],
    ['/a#token=s3cret', '"/a#..."'],
    ['example.org:443?token=s3cret', '"example.org:443?..."'],
    ['me:s3cret@example.org:443', '"example.org:443"'],
    ['ftp://me:s3cret@example.org/x', '"ftp://example.org/x"'],
    ['http://me:s3cret@s3cret@example.org/x@y', '"http://example.org/x@y"'],
    ['\u202egro', '"\\u202egro"'],
  ] as const) {
    assert.equal(quote(text), quoted);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      assert.match(quote(text), /^"[\x20-\x7e]{0,600}"$/);
      assert.ok(!quote(`${text}?s3cret`).includes('s3cret'));
    }),
  );
});
