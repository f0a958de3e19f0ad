import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limits, Rule } from '../policy/types.ts';
import { bodyLimit, createRuleLimits } from './rule-limits.ts';

function rule(id: number, limits?: Limits): Rule {
  const place = { file: 'p.yaml', line: id + 1, column: 1, label: `p.yaml:${id + 1}` };
  return { id, effect: 'allow', spec: limits === undefined ? {} : { limits }, ...place };
}

test('a bucket starts full, refuses when empty, and fills by time up to its size', () => {
  let now = 0;
  const limits = createRuleLimits(() => now);
  const limited = [rule(0, { requests: { count: 2, perSeconds: 60 } })];
  assert.equal(limits.take(limited), null);
  assert.equal(limits.take(limited), null);
  assert.equal(limits.take(limited)?.retryAfter, 30);
  now = 29_000;
  assert.equal(limits.take(limited)?.retryAfter, 1);
  now = 30_000;
  assert.equal(limits.take(limited), null);
  now = 10_000_000;
  assert.equal(limits.take(limited), null);
  assert.equal(limits.take(limited), null);
  assert.notEqual(limits.take(limited), null);
});

test('where one rule refuses, none of them loses a request', () => {
  const limits = createRuleLimits(() => 0);
  const wide = rule(0, { requests: { count: 2, perSeconds: 60 } });
  const narrow = rule(1, { requests: { count: 1, perSeconds: 60 } });
  assert.equal(limits.take([wide, narrow]), null);
  assert.equal(limits.take([wide, narrow])?.rule, narrow);
  assert.equal(limits.take([wide]), null);
  assert.equal(limits.take([wide])?.rule, wide);
});

test('running requests are counted until they are released', () => {
  const limits = createRuleLimits(() => 0);
  const limited = [rule(0, { concurrent: 1 }), rule(1)];
  assert.equal(limits.take(limited), null);
  assert.match(limits.take(limited)?.reason ?? '', /p\.yaml:1 allows 1 requests at a time/);
  limits.release(limited);
  assert.equal(limits.take(limited), null);
});

test('the smallest body limit holds', () => {
  assert.equal(bodyLimit([], 'requestBody'), Number.POSITIVE_INFINITY);
  const rules = [rule(0), rule(1, { requestBody: 20 }), rule(2, { requestBody: 10, responseBody: 5 })];
  assert.equal(bodyLimit(rules, 'requestBody'), 10);
  assert.equal(bodyLimit(rules, 'responseBody'), 5);
});
