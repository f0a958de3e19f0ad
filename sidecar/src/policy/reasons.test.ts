import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, request } from '../../../test/harness/rules.ts';

test('a reason names the rule, the way to ask, and that there is no way around', () => {
  const policy = policyOf({
    allow: [{ domains: ['github.com'], methods: ['GET'] }],
    deny: [{ domains: ['github.com'], paths: ['/settings/*'], reason: 'account settings are for people' }],
  });
  const byRule = policy.decide(request('GET https://github.com/settings/keys?token=secret'));
  assert.match(byRule.reason, /p\.yaml:2 .*account settings are for people.*do not look for a way around/);
  const missing = policy.decide(request('POST https://github.com/a?token=secret'));
  assert.match(
    missing.reason,
    /No rule allows POST https:\/\/github.com\/a\. The rule at p\.yaml:1 is about this host/,
  );
  assert.match(missing.reason, /ask the owner of the policy to add \{ domain: github\.com \}/);
  assert.doesNotMatch(byRule.reason + missing.reason, /secret/);
});
