import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asciiJson, printable } from './text.ts';

test('any text becomes printable ASCII of bounded length that JSON reads back', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 120 }), (text, limit) => {
      const { json, cut } = asciiJson(text, limit);
      assert.match(json, /^"[ -~]*"$/);
      assert.ok(json.length <= limit + 2);
      const read: unknown = JSON.parse(json);
      assert.ok(typeof read === 'string' && read.isWellFormed());
      const whole = text.toWellFormed();
      if (cut) assert.ok(whole.startsWith(read.replace(/\ufffd$/, '')), `${read} begins ${whole}`);
      else assert.equal(read, whole);
    }),
  );
});

test('a cut falls between code points and escapes', () => {
  assert.deepEqual(asciiJson('ab\u202ecd', 8), { json: '"ab\\u202e"', cut: true });
  assert.deepEqual(asciiJson('ab\u202ecd', 7), { json: '"ab"', cut: true });
  assert.deepEqual(asciiJson('a\u{1f600}', 12), { json: '"a"', cut: true });
  assert.deepEqual(asciiJson('a\u{1f600}', 13), { json: '"a\\ud83d\\ude00"', cut: false });
});

test('a text of megabytes costs no more than its limit', () => {
  const { json, cut } = asciiJson('\u0000'.repeat(4_000_000), 100);
  assert.equal(json.length, 98);
  assert.equal(cut, true);
});

for (const [name, text, shown] of [
  ['escape sequences', 'a\u001b[31mb', 'a\\u{1b}[31mb'],
  ['line ends', 'a\r\nb', 'a\\u{d}\\u{a}b'],
  ['bidi marks', 'a\u202eb\u2066c', 'a\\u{202e}b\\u{2066}c'],
  ['C1 controls', 'a\u009bb', 'a\\u{9b}b'],
  ['tags', 'a\u{e0041}b', 'a\\u{e0041}b'],
  ['lone surrogates', 'a\ud800b', 'a\\u{d800}b'],
  ['letters stay', 'Zürich 東京', 'Zürich 東京'],
] as const) {
  test(`printable: ${name}`, () => assert.equal(printable(text), shown));
}
