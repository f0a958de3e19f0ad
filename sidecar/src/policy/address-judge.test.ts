import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists, request, tunnel } from '../../../test/harness/rules.ts';
import type { HttpTarget } from '../target/types.ts';

interface Case {
  readonly name: string;
  readonly policy: RuleLists;
  readonly target?: HttpTarget;
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
}

const metadata = ['169.254.169.254', '169.254.170.2', 'fd00:ec2::254', '100.100.100.200', '168.63.129.16'];
const cases: readonly Case[] = [
  {
    name: 'a name resolves into public addresses alone',
    policy: { allow: [{ domains: ['a.b'] }] },
    allowed: ['140.82.121.4', '2606:4700::1111'],
    denied: [
      ...metadata,
      '10.0.0.5',
      '127.0.0.1',
      '::1',
      'fd00::1',
      '0.0.0.0',
      '::ffff:10.0.0.5',
      '64:ff9b::a00:5',
    ],
  },
  {
    name: 'private: true opens private, carrier-grade and unique local addresses, and no others',
    policy: { allow: [{ domains: ['a.b'], private: true }] },
    allowed: ['10.0.0.5', '172.31.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', '140.82.121.4'],
    denied: [...metadata, '127.0.0.1', '169.254.1.1', '::1', 'fe80::1', '198.18.0.1', '::ffff:10.0.0.5'],
  },
  {
    name: "the file's private: holds where a rule does not say otherwise",
    policy: { private: true, allow: [{ domains: ['a.b'] }] },
    allowed: ['10.0.0.5'],
  },
  {
    name: "a rule's private: false closes what the file opens",
    policy: { private: true, allow: [{ domains: ['a.b'], private: false }] },
    denied: ['10.0.0.5'],
  },
  {
    name: 'a prefix beside a domain says what the name may resolve to',
    policy: { allow: [{ domains: ['a.b'], cidrs: ['10.20.0.0/16', '140.82.0.0/16', '127.0.0.0/8'] }] },
    allowed: ['10.20.1.1', '140.82.121.4', '127.0.0.1'],
    denied: ['10.21.0.1', '8.8.8.8', ...metadata],
  },
  {
    name: 'a wide prefix opens no class',
    policy: { allow: [{ domains: ['a.b'], cidrs: ['0.0.0.0/0', '10.0.0.0/7', '::/0'] }] },
    allowed: ['8.8.8.8', '11.1.1.1'],
    denied: ['10.0.0.5', '127.0.0.1', '::1', ...metadata],
  },
  {
    name: 'metadata needs a prefix of its own',
    policy: {
      allow: [{ domains: ['a.b'], cidrs: ['169.254.169.254/32', 'fd00:ec2::254/128', '169.254.0.0/16'] }],
    },
    allowed: ['169.254.169.254', 'fd00:ec2::254', '169.254.1.1'],
    denied: ['169.254.170.2', '100.100.100.200'],
  },
  {
    name: 'one and the same rule has to match the request and the address',
    policy: {
      allow: [
        { domains: ['a.b'], methods: ['GET'] },
        { domains: ['a.b'], methods: ['POST'], private: true },
      ],
    },
    denied: ['10.0.0.5'],
    allowed: ['8.8.8.8'],
  },
  {
    name: 'with a claimed method, each method needs its rule at that address',
    policy: {
      allow: [
        { domains: ['a.b'], methods: ['GET'] },
        { domains: ['a.b'], methods: ['POST'], private: true },
      ],
    },
    target: request('POST https://a.b/', { overrides: ['GET'] }),
    denied: ['10.0.0.5'],
    allowed: ['8.8.8.8'],
  },
  {
    name: 'a denied prefix holds for what a name resolves to, under the other conditions of its rule',
    policy: {
      allow: [{ domains: ['a.b'] }],
      deny: [
        { cidrs: ['8.0.0.0/8'] },
        { cidrs: ['9.0.0.0/8'], methods: ['POST'] },
        { cidrs: ['11.0.0.0/8'], domains: ['c.b'] },
      ],
    },
    allowed: ['1.1.1.1', '9.1.1.1', '11.1.1.1'],
    denied: ['8.8.8.8'],
  },
  {
    name: 'what is no address is refused',
    policy: { allow: [{ domains: ['a.b'] }] },
    denied: ['', 'a.b', '127.1', '1.1.1.1/32', 'fe80::1%eth0'],
  },
];

for (const {
  name,
  policy: lists,
  target = request('GET https://a.b/x'),
  allowed = [],
  denied = [],
} of cases) {
  test(name, () => {
    const policy = policyOf(lists);
    const decision = policy.decide(target);
    assert.equal(decision.allowed, true, decision.reason);
    for (const address of allowed) {
      const judged = policy.judgeAddress(target, decision, address);
      assert.equal(judged.allowed, true, `${address}: ${judged.reason}`);
      assert.equal(judged.rule?.effect, 'allow');
    }
    for (const address of denied) {
      const judged = policy.judgeAddress(target, decision, address);
      assert.equal(judged.allowed, false, address);
      assert.ok(judged.rule === null || judged.rule.effect === 'deny');
    }
  });
}

test('where mode audit lets a request pass, special addresses stay refused', () => {
  const policy = policyOf({ mode: 'audit', deny: [{ cidrs: ['8.0.0.0/8'] }] });
  const target = request('GET https://a.b/');
  const decision = policy.decide(target);
  assert.equal(decision.allowed, false);
  assert.equal(policy.judgeAddress(target, decision, '1.1.1.1').allowed, true);
  assert.equal(policy.judgeAddress(target, decision, '10.0.0.1').allowed, false);
  assert.equal(policy.judgeAddress(target, decision, '8.8.8.8').rule?.id, 0);
});

test('tunnels are judged the same way, and a refusal says how to open the address', () => {
  const policy = policyOf({
    allow: [{ domains: ['db.x'], ports: [{ from: 5432, to: 5432 }], protocol: 'tcp' }],
  });
  const target = tunnel('tcp db.x:5432');
  const judged = policy.judgeAddress(target, policy.decide(target), '10.1.2.3');
  assert.match(
    judged.reason,
    /^db\.x resolves to 10\.1\.2\.3, .*\(private \(RFC 1918\)\), and the rule at p\.yaml:1 does not open it\.$/,
  );
  assert.equal(judged.remedy, 'add "private: true" or "cidr: 10.1.2.3/32" to the rule at p.yaml:1');
});
