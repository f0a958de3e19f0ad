import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists, request, tunnel } from '../../../test/harness/rules.ts';
import { explain } from './explain.ts';
import { loadPolicy } from './load.ts';

const tcp5432 = { ports: [{ from: 5432, to: 5432 }], protocol: 'tcp' } as const;

interface Case {
  readonly name: string;
  readonly policy: RuleLists;
  readonly asked: string;
  readonly verdict: 'allow' | 'deny';
  readonly line: number | null;
  readonly reason?: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'no rule',
    policy: {},
    asked: 'GET https://a.b/x',
    verdict: 'deny',
    line: null,
    reason: /No rule allows/,
  },
  {
    name: 'a rule',
    policy: { allow: [{ domains: ['a.b'] }] },
    asked: 'GET https://a.b/x',
    verdict: 'allow',
    line: 1,
  },
  {
    name: 'a deny rule',
    policy: { allow: [{ domains: ['a.b'] }], deny: [{ methods: ['GET'] }] },
    asked: 'GET https://a.b/x',
    verdict: 'deny',
    line: 2,
  },
  {
    name: 'mode audit goes on saying what enforcing would do',
    policy: { mode: 'audit' },
    asked: 'GET https://a.b/x',
    verdict: 'deny',
    line: null,
  },
  {
    name: 'where TLS is passed, the connection is judged',
    policy: { inspect: 'never', allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    asked: 'DELETE https://a.b/x',
    verdict: 'allow',
    line: 1,
    reason: /passed unopened/,
  },
  {
    name: 'plain HTTP is seen even there',
    policy: { inspect: 'never', allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    asked: 'DELETE http://a.b/x',
    verdict: 'deny',
    line: 2,
  },
  {
    name: 'where a tcp rule holds, bytes are passed',
    policy: { allow: [{ domains: ['a.b'], ...tcp5432 }] },
    asked: 'GET http://a.b:5432/',
    verdict: 'allow',
    line: 1,
    reason: /unread/,
  },
  {
    name: 'a rule that depends on the address leaves the verdict as without it',
    policy: { allow: [{ domains: ['a.b'], cidrs: ['10.0.0.0/8'] }] },
    asked: 'GET https://a.b/',
    verdict: 'deny',
    line: null,
    reason: /depends on its address \(p\.yaml:1\)/,
  },
  {
    name: 'another rule that does not depend on it decides',
    policy: { allow: [{ domains: ['a.b'], cidrs: ['10.0.0.0/8'] }, { domains: ['*.b'] }] },
    asked: 'GET https://a.b/',
    verdict: 'allow',
    line: 2,
  },
  {
    name: 'a denied prefix is named',
    policy: { allow: [{ domains: ['a.b'] }], deny: [{ cidrs: ['8.0.0.0/8'] }] },
    asked: 'GET https://a.b/',
    verdict: 'allow',
    line: 1,
    reason: /may still be denied by p\.yaml:2/,
  },
  {
    name: 'an address needs no look-up',
    policy: { allow: [{ cidrs: ['0.0.0.0/0'] }] },
    asked: 'GET http://169.254.169.254/latest',
    verdict: 'deny',
    line: null,
    reason: /cloud metadata/,
  },
  {
    name: 'a tunnel',
    policy: { allow: [{ domains: ['a.b'], ...tcp5432 }] },
    asked: 'tcp a.b:5432',
    verdict: 'allow',
    line: 1,
  },
];

for (const { name, policy, asked, verdict, line, reason = /./ } of cases) {
  test(name, () => {
    const told = explain(policyOf(policy), /^t/.test(asked) ? tunnel(asked) : request(asked));
    assert.deepEqual([told.verdict, told.rule?.line ?? null], [verdict, line], told.reason);
    assert.match(told.reason, reason);
  });
}

const denied = [
  'GET https://a.b/x',
  'POST http://a.b:8080/x/y%2Fz',
  'OPTIONS https://a.b*',
  'GET https://1.1.1.1/x',
  'GET https://[2606:4700::1111]:8443/%22quoted%22',
  'GET http://10.0.0.5/',
  'GET http://169.254.169.254/latest/meta-data',
  'GET http://[::ffff:a9fe:a9fe]/',
  'tcp a.b:22',
  'tls a.b:443',
  'tcp 10.0.0.5:22',
];

for (const inspect of ['always', 'auto', 'never'] as const) {
  test(`with inspect: ${inspect}, the change that is told turns each verdict round, loaded from YAML`, () => {
    for (const text of denied) {
      const asked = /^t/.test(text) ? tunnel(text) : request(text);
      const { change: told, addition: change } = explain(policyOf({ inspect }), asked);
      assert.equal(told, `add to "allow": ${change}`);
      const allowed = load(`inspect: ${inspect}\nallow:\n  - ${change}\n`);
      // A rule that opens the connection makes it no passed one.
      if (asked.kind === 'http' || asked.protocol === 'tcp' || inspect !== 'always') {
        assert.equal(explain(allowed, asked).verdict, 'allow', `${text}: ${change}`);
      }
      const back = explain(allowed, asked).change.replace('add to "deny": ', '');
      const again = load(`inspect: ${inspect}\nallow:\n  - ${change}\ndeny:\n  - ${back}\n`);
      assert.equal(explain(again, asked).verdict, 'deny', `${text}: ${back}`);
    }
  });
}

test('two methods need both in the change', () => {
  const asked = request('POST https://a.b/', { overrides: ['DELETE'] });
  assert.match(explain(policyOf({}), asked).change, /methods: \[POST, DELETE\]/);
});

test('what no allow rule can change says so', () => {
  const byRule = explain(policyOf({ deny: [{ domains: ['a.b'] }] }), request('GET https://a.b/'));
  assert.match(byRule.change, /p\.yaml:1; no allow rule can win over it/);
  assert.equal(byRule.addition, null);
  const upgrade = explain(policyOf({}), request('GET http://a.b/', { upgrade: 'h2c' }));
  assert.match(upgrade.change, /never passes/);
  assert.equal(upgrade.addition, null);
});

function load(text: string) {
  const result = loadPolicy({ sources: [{ file: 'p.yaml', text }], env: {} });
  assert.ok(result.ok, `${text}${JSON.stringify(result)}`);
  return result.policy;
}
