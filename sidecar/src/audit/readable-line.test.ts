import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ReadableFacts, readableLine, shows } from './readable-line.ts';

const facts: ReadableFacts = {
  time: 0,
  event: 'request',
  protocol: 'https',
  method: 'GET',
  url: 'https://u:p@example.org/?token=abc',
  host: 'example.org',
  port: 443,
  verdict: 'allow',
  rule: { file: 'boundary.yaml', line: 3 },
  reason: 'because',
  outcome: { status: 200, bytesIn: 0, bytesOut: 12, error: null },
  duration: 12.4,
};
const plain = { colour: false, maskQuery: true };

for (const [name, over, line] of [
  [
    'allowed',
    {},
    '00:00:00.000 ALLOW      GET https://example.org/?token=*** 200 12ms 0B in, 12B out [boundary.yaml:3]\n',
  ],
  [
    'denied without a rule',
    { verdict: 'deny', rule: null, outcome: { status: 403, bytesIn: 0, bytesOut: 0, error: null } },
    '00:00:00.000 DENY       GET https://example.org/?token=*** 403 12ms - because\n',
  ],
  [
    'a tunnel without a URL',
    { method: null, url: null, protocol: 'tcp', event: 'verdict', outcome: null },
    '00:00:00.000 ALLOW      tcp://example.org:443 (open) [boundary.yaml:3]\n',
  ],
] as const) {
  test(name, () => assert.equal(readableLine({ ...facts, ...over }, plain), line));
}

test('nothing a client sends reaches the terminal as more than text, nor at any length', () => {
  const evil = `\u001b]0;x\u0007\r\n\u202e${'a'.repeat(100_000)}`;
  const line = readableLine({ ...facts, method: evil, url: evil, reason: evil, verdict: 'deny' }, plain);
  assert.match(line, /^[ -~]+\n$/);
  assert.ok(line.length < 2000);
});

test('colour is the only escape sequence', () => {
  const line = readableLine(facts, { colour: true, maskQuery: true });
  assert.ok(line.includes('\u001b[32mALLOW     \u001b[0m'));
});

for (const [level, shown] of [
  ['debug', ['open', 'allow', 'deny', 'failed']],
  ['info', ['allow', 'deny', 'failed']],
  ['warn', ['deny', 'failed']],
  ['error', ['failed']],
] as const) {
  test(`level ${level}`, () => {
    const cases = {
      open: { ...facts, event: 'verdict', outcome: null },
      allow: facts,
      deny: { ...facts, verdict: 'would-deny' },
      failed: { ...facts, outcome: { status: 502, bytesIn: 0, bytesOut: 0, error: 'connect' } },
    } as const;
    assert.deepEqual(
      Object.entries(cases)
        .filter(([, value]) => shows(level, value))
        .map(([name]) => name),
      shown,
    );
  });
}
