import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, request } from '../../../test/harness/rules.ts';

test('a reason names what was found, a remedy what the owner of the policy could do', () => {
  const policy = policyOf({
    allow: [{ domains: ['github.com'], methods: ['GET'] }],
    deny: [{ domains: ['github.com'], paths: ['/settings/*'], reason: 'account settings are for people' }],
  });
  const byRule = policy.decide(request('GET https://github.com/settings/keys?token=secret'));
  assert.match(byRule.reason, /^The rule at p\.yaml:2 denies GET .* \(account settings are for people\)\.$/);
  const missing = policy.decide(request('POST https://github.com/a?token=secret'));
  assert.match(
    missing.reason,
    /No rule allows POST https:\/\/github.com\/a\. The rule at p\.yaml:1 is about this host, but not about such a request\.$/,
  );
  assert.equal(byRule.remedy, 'change the rule at p.yaml:2');
  assert.equal(
    missing.remedy,
    'add { domain: github.com, port: 443, protocol: https, methods: [POST], path: "/a" } to "allow"',
  );
  const unknown = policy.decide(request('GET https://example.org/a'));
  assert.equal(unknown.remedy, 'add { domain: example.org } to "allow"');
  assert.doesNotMatch(byRule.reason + missing.reason, /secret/);
});

test('the remedy for a special address is one that would load beside its rule', () => {
  const asked = request('GET https://a.example/');
  const judge = (presets?: readonly string[]) => {
    const policy = policyOf({ allow: [{ domains: ['a.example'], ...(presets && { presets }) }] });
    return policy.judgeAddress(asked, policy.decide(asked), '203.0.113.80');
  };
  assert.equal(judge().remedy, 'add "cidr: 203.0.113.80/32" to the rule at p.yaml:1');
  assert.equal(judge(['npm']).remedy, 'add a rule with "domain: a.example" and "cidr: 203.0.113.80/32"');
  assert.match(
    judge().reason,
    /which is a special address \(documentation\), and the rule at p\.yaml:1 does not open it\.$/,
  );
});
