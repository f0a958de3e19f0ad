import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decisionFields, deniedFields, durationText, placeText, sizeText } from '../../../view/wording.js';
import type { DecisionView } from './decision-view.ts';

test('sizes', () => {
  const sizes = [null, 0, 1023, 1024, 10_239, 10_240, 1_048_524, 1_048_576, 5 * 2 ** 40, 3000 * 2 ** 40];
  assert.deepEqual(sizes.map(sizeText), [
    '',
    '0 B',
    '1023 B',
    '1.0 KiB',
    '10 KiB',
    '10 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '5.0 TiB',
    '3000 TiB',
  ]);
});

test('durations', () => {
  const durations = [null, 0.2, 1, 999.4, 999.6, 59_940, 59_960, 3_599_000, 5_400_000];
  assert.deepEqual(durations.map(durationText), [
    '',
    '<1 ms',
    '1 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '1 min',
    '1 h 0 min',
    '1 h 30 min',
  ]);
});

test('places', () => {
  assert.equal(placeText('tcp', '2001:db8::1', 22), 'tcp://[2001:db8::1]:22');
  assert.equal(placeText('dns', 'a.example', null), 'dns://a.example');
});

const decision: DecisionView = {
  id: 'r-1',
  time: '2026-01-01T00:00:00.000Z',
  protocol: 'https',
  method: 'GET',
  url: 'https://a.example/',
  host: 'a.example',
  port: 443,
  address: null,
  verdict: 'allow',
  rule: { file: 'p.yaml', line: 3 },
  reason: 'Allowed by p.yaml:3.',
  ended: false,
  status: null,
  bytes_in: null,
  bytes_out: null,
  duration_ms: null,
  error: null,
};

test('a row says what is open, what failed, and what no target could be made of', () => {
  assert.equal(decisionFields(decision).outcome, 'open');
  const failed = { ...decision, ended: true, status: 502, error: 'upstream-reset' };
  assert.equal(decisionFields(failed).outcome, '502 upstream-reset');
  const refused = {
    ...decision,
    verdict: 'deny',
    method: null,
    url: null,
    rule: null,
    reason: 'Bad.',
  } as const;
  const { url, method, outcome, reason } = decisionFields({ ...refused, host: null, port: null });
  assert.deepEqual(
    [url, method, outcome, reason],
    ['https: no target could be made of it', 'HTTPS', '', 'Bad.'],
  );
  assert.equal(decisionFields(refused).url, 'https://a.example:443');
});

test('a place says how often, and when that is not exact', () => {
  const last = { ...decision, verdict: 'deny' } as const;
  const place = { protocol: 'https', host: 'a.example', port: 443, count: 1200, last } as const;
  const remedy = { now: 'deny', change: 'do this', allow_rule: null, allow_host_rule: null } as const;
  assert.equal(deniedFields({ ...place, ...remedy, at_least: false }).count, '1,200×');
  const fields = deniedFields({ ...place, ...remedy, at_least: true });
  assert.deepEqual(
    [fields.count, fields.remedy],
    ['at least 1,200×', 'It would pass with a change of the policy: do this.'],
  );
});
