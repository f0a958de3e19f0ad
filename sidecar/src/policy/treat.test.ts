import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists, request } from '../../../test/harness/rules.ts';

const at22 = { ports: [{ from: 22, to: 22 }], protocol: 'tcp' } as const;

/** `deny`, `tcp`, `open`, `pass` for `host:port`. */
function treatment(lists: RuleLists, place: string): string {
  const { host, hostKind, port } = request(`GET https://${place}/`);
  const treated = policyOf(lists).treat({ host, hostKind, port });
  return treated.kind === 'sniff' ? treated.tls : treated.kind;
}

const cases: readonly (readonly [string, RuleLists, Readonly<Record<string, string>>])[] = [
  ['nothing is read where nothing is allowed', {}, { 'a.b': 'deny', '1.1.1.1': 'deny' }],
  [
    'ports that no rule names are closed',
    { allow: [{ domains: ['a.b'] }] },
    { 'a.b': 'open', 'a.b:80': 'open', 'a.b:8443': 'deny', 'a.b:22': 'deny', 'c.b': 'deny' },
  ],
  [
    'a deny of the whole host closes it, one of a path or of https does not',
    {
      allow: [{ domains: ['*.b'] }],
      deny: [
        { domains: ['x.b'] },
        { domains: ['p.b'], paths: ['/q'] },
        { domains: ['h.b'], protocol: 'https' },
      ],
    },
    { 'x.b': 'deny', 'p.b': 'open', 'h.b': 'open', 'y.b': 'open' },
  ],
  [
    'a deny of a port alone closes it everywhere',
    { allow: [{ domains: ['*'], ports: 'any' }], deny: [{ ports: [{ from: 25, to: 25 }] }] },
    { 'a.b:25': 'deny', 'a.b:26': 'open' },
  ],
  [
    'tcp is passed',
    { allow: [{ domains: ['a.b'], ...at22 }, { domains: ['a.b'] }] },
    { 'a.b:22': 'tcp', 'a.b': 'open' },
  ],
  [
    'a deny beats tcp',
    { allow: [{ domains: ['*.b'], ...at22 }], deny: [{ domains: ['x.b'] }] },
    { 'x.b:22': 'deny', 'y.b:22': 'tcp' },
  ],
  [
    'the strongest inspect of the rules about a host and port holds, else that of the file',
    {
      inspect: 'never',
      allow: [
        { domains: ['*.b'] },
        { domains: ['o.b'], inspect: 'always' },
        { domains: ['o.b'], inspect: 'never', ports: 'any' },
        { domains: ['u.b'], inspect: 'auto', methods: ['GET'] },
        { domains: ['v.b'], inspect: 'auto' },
      ],
    },
    { 'x.b': 'pass', 'o.b': 'open', 'o.b:8443': 'pass', 'u.b': 'open', 'v.b': 'pass' },
  ],
  [
    'auto opens where a rule, allow or deny, looks inside',
    {
      inspect: 'auto',
      allow: [
        { domains: ['plain.b', 'denied.b'] },
        { domains: ['star.b'], methods: ['*'], paths: ['*'] },
        { domains: ['limited.b'], limits: { concurrent: 1 } },
        { domains: ['upgraded.b'], upgrade: ['derp'] },
        { domains: ['injected.b'], inject: { header: 'a', value: 'b' } },
        { repos: [{ host: 'repo.b', owner: '*', name: '*' }] },
        { registries: ['npm'] },
      ],
      deny: [{ domains: ['denied.b'], paths: ['/x'] }],
    },
    {
      'plain.b': 'pass',
      'star.b': 'pass',
      'denied.b': 'open',
      'limited.b': 'open',
      'upgraded.b': 'open',
      'injected.b': 'open',
      'repo.b': 'open',
      'registry.npmjs.org': 'open',
    },
  ],
  [
    'a deny without a domain counts for auto',
    { inspect: 'auto', allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    { 'a.b': 'open' },
  ],
  [
    'and is blind where never holds',
    { inspect: 'never', allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    { 'a.b': 'pass' },
  ],
  [
    'addresses that are closed whatever is asked are closed at once',
    {
      allow: [{ cidrs: ['0.0.0.0/0', '10.0.0.0/8'] }],
      deny: [{ cidrs: ['8.0.0.0/8'] }, { cidrs: ['9.0.0.0/8'], methods: ['GET'] }],
    },
    {
      '1.1.1.1': 'open',
      '169.254.169.254': 'deny',
      '127.0.0.1': 'deny',
      '10.0.0.1': 'open',
      '8.8.8.8': 'deny',
      '9.9.9.9': 'open',
    },
  ],
];

for (const [name, lists, places] of cases) {
  test(name, () => {
    for (const [place, expected] of Object.entries(places)) {
      assert.equal(treatment(lists, place), expected, place);
    }
  });
}

test('a refused connection says what to ask for', () => {
  const policy = policyOf({});
  const web = policy.treat({ host: 'a.b', hostKind: 'name', port: 443 });
  const ssh = policy.treat({ host: 'a.b', hostKind: 'name', port: 22 });
  assert.ok(web.kind === 'deny' && ssh.kind === 'deny');
  assert.match(web.decision.remedy ?? '', /add \{ domain: a\.b \} to/);
  assert.match(ssh.decision.remedy ?? '', /add \{ domain: a\.b, port: 22, protocol: tcp \} to/);
});
