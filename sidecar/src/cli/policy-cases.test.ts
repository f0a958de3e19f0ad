import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readPolicyCases } from './policy-cases.ts';

test('reads cases with their places', () => {
  const read = readPolicyCases(
    'cases.yaml',
    'policy: p.yaml\ncases:\n  - { url: "https://a.example/", verdict: allow, rule: 12, name: why }\n  - url: https://b.example/\n    method: POST\n    verdict: deny\n    rule: none\n',
  );
  assert.deepEqual(read, {
    ok: true,
    value: {
      policy: 'p.yaml',
      cases: [
        {
          at: { line: 3, column: 5 },
          method: 'GET',
          url: 'https://a.example/',
          verdict: 'allow',
          rule: '12',
        },
        {
          at: { line: 4, column: 5 },
          method: 'POST',
          url: 'https://b.example/',
          verdict: 'deny',
          rule: 'none',
        },
      ],
    },
  });
});

/** A text, and its faults as LINE:COLUMN with a piece of the message. */
const faulty: readonly [string, readonly [string, RegExp][]][] = [
  ['', [['1:1', /the file is empty. Expected "cases:"/]]],
  ['- a\n', [['1:1', /found a list/]]],
  ['policy: x\n', [['1:1', /found no "cases:"/]]],
  ['cases: []\n', [['1:8', /found an empty list/]]],
  ['cases: [GET x]\n', [['1:9', /Expected a case/]]],
  ['cases:\n  - {}\n', [['2:5', /no url and no verdict/]]],
  ['cases:\n  - { url: x, verdict: deny, rule: 0 }\n', [['2:36', /whole number from 1/]]],
  ['cases:\n  - { url: x, verdict: deny\n', [['3:1', /./]]],
];
for (const [text, expected] of faulty) {
  test(`says what is wrong with ${JSON.stringify(text)}`, () => {
    const read = readPolicyCases('c.yaml', text);
    assert.ok(!read.ok);
    const places = read.faults.map(({ line, column }) => `${line}:${column}`);
    assert.deepEqual(
      places,
      expected.map(([place]) => place),
    );
    for (const [index, [, says]] of expected.entries()) assert.match(read.faults[index]?.message ?? '', says);
  });
}

test('no text makes it throw, and without a case there is a fault', () => {
  const word = fc.constantFrom(
    'cases:',
    'policy:',
    '- ',
    '\n',
    '  ',
    'url: ',
    'verdict: ',
    'allow',
    '{',
    '}',
    '[',
    'x',
    '*a',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join('')),
      ),
      (text) => {
        const read = readPolicyCases('c.yaml', text);
        assert.ok(read.ok ? read.value.cases.length > 0 : read.faults.length > 0);
      },
    ),
  );
});
