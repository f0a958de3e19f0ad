import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policyOf as rulesOf } from '../../../../test/harness/rules.ts';
import { KeptRequest } from '../../audit/kept-request.ts';
import type { AuditProtocol, VerdictRecord } from '../../audit/types.ts';
import { loadPolicy } from '../../policy/load.ts';
import type { Policy } from '../../policy/types.ts';
import type { Target } from '../../target/types.ts';
import { writtenTarget } from '../../target/written-target.ts';
import { remedyOf } from './denial-view.ts';

/** What the audit log has of a denied `METHOD URL`, or of `dns NAME`. */
function denied(text: string, more: Partial<VerdictRecord> = {}): KeptRequest {
  const [method = '', url = ''] = text.split(' ');
  const dns = method === 'dns';
  const target = dns ? null : written(method, url);
  const request = new KeptRequest();
  request.fill(
    {
      protocol: dns ? 'dns' : (url.split(':')[0] as AuditProtocol),
      method: dns || /^t/.test(url) ? null : method,
      url: dns ? null : url,
      host: target === null ? url : target.host,
      port: target === null ? 53 : target.port,
      address: null,
      claimed: [],
      verdict: 'deny',
      rule: null,
      reason: 'because',
      ...more,
    },
    1,
    0,
  );
  return request;
}

function written(method: string, url: string): Target {
  const target = writtenTarget(method, url);
  assert.ok(target.ok, url);
  return target.value;
}

function load(text: string): Policy {
  const result = loadPolicy({ sources: [{ file: 'p.yaml', text }], env: {} });
  assert.ok(result.ok, `${text}${JSON.stringify(result)}`);
  return result.policy;
}

describe('what would let a denied request pass', () => {
  for (const [text, rule, wider] of [
    [
      'POST https://api.github.com/user/repos?x=1',
      '{ domain: api.github.com, port: 443, protocol: https, methods: [POST], path: "/user/repos" }',
      '{ domain: api.github.com }',
    ],
    [
      'GET http://10.0.0.5:8080/a',
      '{ cidr: "10.0.0.5/32", port: 8080, methods: [GET], path: "/a" }',
      '{ cidr: "10.0.0.5/32", port: 8080 }',
    ],
    [
      'CONNECT tls://a.example:443',
      '{ domain: a.example, port: 443, protocol: https }',
      '{ domain: a.example }',
    ],
    ['CONNECT tcp://db.example:5432', '{ domain: db.example, port: 5432, protocol: tcp }', null],
    ['CONNECT tcp://a.example:443', '{ domain: a.example }', null],
    ['CONNECT tcp://a.example:80', '{ domain: a.example }', null],
    ['dns tracker.example', '{ domain: tracker.example }', null],
  ] as const) {
    it(`${text}: ${rule}`, () => {
      const remedy = remedyOf(rulesOf({}), denied(text));
      assert.deepEqual(remedy, {
        now: 'deny',
        change: `add to "allow": ${rule}`,
        allow_rule: rule,
        allow_host_rule: wider,
      });
      for (const added of [rule, wider]) {
        if (added === null) continue;
        const policy = load(`allow:\n  - ${added}\n`);
        if (!text.includes('tls:')) assert.equal(remedyOf(policy, denied(text)).now, 'allow', added);
      }
    });
  }

  it('a rule for opaque bytes is never recommended on a port of the web', () => {
    const policy = rulesOf({ allow: [{ domains: ['a.example'], methods: ['GET'] }] });
    const remedy = remedyOf(policy, denied('CONNECT tcp://a.example:443'));
    assert.deepEqual([remedy.now, remedy.allow_rule], ['allow', null]);
  });

  it("a request is judged with its query: git's service is part of what was asked", () => {
    const policy = rulesOf({
      allow: [{ repos: [{ host: 'git.example', owner: 'o', name: 'r' }], access: 'read' }],
    });
    const url = (service: string) => `GET https://git.example/o/r/info/refs?service=${service}`;
    assert.equal(remedyOf(policy, denied(url('git-upload-pack'))).now, 'allow');
    assert.equal(remedyOf(policy, denied(url('git-receive-pack'))).now, 'deny');
  });

  it('a deny rule is to be narrowed; no allow rule helps', () => {
    const policy = rulesOf({ allow: [{ domains: ['a.example'] }], deny: [{ domains: ['a.example'] }] });
    const remedy = remedyOf(policy, denied('GET https://a.example/'));
    assert.deepEqual([remedy.now, remedy.allow_rule], ['deny', null]);
    assert.match(remedy.change ?? '', /narrow the deny rule at p\.yaml:2/);
  });

  it('an address that a rule does not open is what is to be opened', () => {
    const policy = rulesOf({ allow: [{ domains: ['db.example'] }] });
    const remedy = remedyOf(policy, denied('GET https://db.example/', { address: '10.1.2.3' }));
    assert.deepEqual([remedy.now, remedy.allow_rule], ['deny', null]);
    assert.match(remedy.change ?? '', /"private: true" or "cidr: 10\.1\.2\.3\/32" to the rule at p\.yaml:1/);
  });

  it('where no rule speaks and the address is special, the rule opens both', () => {
    for (const address of ['10.1.2.3', '127.0.0.1', 'fd00::1']) {
      const request = denied('GET https://db.example/x', { address });
      for (const rule of [
        remedyOf(rulesOf({ mode: 'audit' }), request).allow_rule,
        remedyOf(rulesOf({ mode: 'audit' }), request).allow_host_rule,
      ]) {
        const policy = load(`allow:\n  - ${rule}\n`);
        const target = written('GET', 'https://db.example/x');
        const decision = policy.decide(target);
        assert.ok(decision.allowed, `${rule}`);
        assert.ok(policy.judgeAddress(target, decision, address).allowed, `${rule}`);
      }
    }
  });

  it('an address that a deny rule closes is not opened by an allow rule', () => {
    const policy = rulesOf({ deny: [{ cidrs: ['203.0.113.0/24'] }] });
    const remedy = remedyOf(policy, denied('GET https://a.example/', { address: '203.0.113.7' }));
    assert.equal(remedy.allow_rule, null);
    assert.match(remedy.change ?? '', /change the rule at p\.yaml:1/);
  });

  it('what the policy in force allows says so', () => {
    const policy = rulesOf({ allow: [{ domains: ['a.example'] }] });
    assert.deepEqual(remedyOf(policy, denied('GET https://a.example/')), {
      now: 'allow',
      change: null,
      allow_rule: null,
      allow_host_rule: null,
    });
  });

  it('a URL too long to be kept has a rule for its host', () => {
    const request = denied(`GET https://a.example/${'x'.repeat(5000)}`);
    assert.equal(remedyOf(rulesOf({}), request).allow_rule, '{ domain: a.example }');
  });

  it('what became no target has none', () => {
    for (const more of [{ host: null }, { host: 'not a host' }, { url: 'https://a.example/a/../b' }]) {
      const remedy = remedyOf(rulesOf({}), denied('GET https://a.example/', more));
      assert.deepEqual([remedy.now, remedy.change, remedy.allow_rule], ['deny', null, null]);
    }
  });
});
