import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { html } from './html.ts';

test('text stays text, HTML stays HTML, null is nothing', () => {
  const inner = html`<b title="${'"><script>'}">${"<i>&'"}</b>`;
  assert.equal(inner.text, '<b title="&quot;&gt;&lt;script&gt;">&lt;i&gt;&amp;&#39;</b>');
  assert.equal(html`<p>${inner}${[inner, inner]}${null}${3}</p>`.text, `<p>${inner.text.repeat(3)}3</p>`);
});

test('what moves or hides text is shown as what it is', () => {
  assert.equal(html`${'a\u202eb\u0000\u200b'}`.text, 'a\\u{202e}b\\u{0}\\u{200b}');
});

/** Any text, one code point after the other. */
const codePoint = fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point));

test('no text ends its element or its attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: codePoint }), (text) => {
      const { text: made } = html`${text}`;
      assert.doesNotMatch(made, /[<>"']/);
    }),
  );
});
