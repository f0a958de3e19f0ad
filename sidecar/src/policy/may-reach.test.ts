import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { policyOf, type RuleLists } from '../../../test/harness/rules.ts';
import type { Target } from '../target/types.ts';
import type { Policy, RuleSpec } from './types.ts';

const port = (from: number, to = from) => [{ from, to }];
const any = 'any' as const;
const tcp = 'tcp' as const;

const cases: readonly (readonly [string, RuleLists, readonly string[], readonly string[]])[] = [
  ['nothing is reached where nothing is allowed', {}, [], ['a.b', 'localhost']],
  ['a domain is itself', { allow: [{ domains: ['a.b'] }] }, ['a.b'], ['b', 'x.a.b', 'a.b.c', 'aa.b']],
  ['a star is every name under it', { allow: [{ domains: ['*.b'] }] }, ['a.b', 'a.a.b'], ['b', 'a.c']],
  ['a star alone is every name', { allow: [{ domains: ['*'] }] }, ['a', 'a.b'], []],
  [
    'any port, protocol, method and path will do',
    {
      allow: [
        { domains: ['p.b'], ports: port(8443) },
        { domains: ['t.b'], ports: port(22), protocol: tcp },
        { domains: ['m.b'], methods: ['DELETE'], paths: ['/one/place'] },
        { domains: ['i.b'], inject: { header: 'a', value: 'b' } },
        { repos: [{ host: 'r.b', owner: 'o', name: 'n' }] },
        { registries: ['npm'], packages: ['left-pad'] },
      ],
    },
    ['p.b', 't.b', 'm.b', 'i.b', 'r.b', 'registry.npmjs.org'],
    ['x.b', 'pypi.org'],
  ],
  [
    'a rule about addresses alone is not about names, one that narrows a name is',
    { allow: [{ cidrs: ['0.0.0.0/0', '::/0'] }, { domains: ['c.b'], cidrs: ['10.0.0.0/8'] }] },
    ['c.b'],
    ['a.b'],
  ],
  [
    'a deny of the name closes it, one of a part of it does not',
    {
      allow: [{ domains: ['*.b'] }],
      deny: [
        { domains: ['x.b'] },
        { domains: ['*.y.b'], ports: any },
        { domains: ['p.b'], ports: port(80) },
        { domains: ['m.b'], methods: ['GET'] },
        { domains: ['q.b'], paths: ['/'] },
        { domains: ['s.b'], protocol: 'https' },
        { domains: ['c.b'], cidrs: ['0.0.0.0/0', '::/0'] },
      ],
    },
    ['a.b', 'y.b', 'p.b', 'm.b', 'q.b', 's.b', 'c.b'],
    ['x.b', 'a.y.b', 'b.a.y.b'],
  ],
  [
    'denies that together cover every port of every rule close the name',
    {
      allow: [{ domains: ['*.b'] }, { domains: ['o.b'], ports: port(8000, 8009) }],
      deny: [
        { domains: ['*.b'], ports: port(80) },
        { domains: ['*.b'], ports: port(443) },
        { domains: ['o.b'], ports: port(8000, 8004) },
        { domains: ['o.b'], ports: port(8006, 65535) },
      ],
    },
    ['o.b'],
    ['a.b'],
  ],
  [
    'so does a deny of http where nothing else is allowed',
    {
      allow: [{ domains: ['a.b'] }, { domains: ['t.c'], ports: port(22), protocol: tcp }],
      deny: [{ domains: ['*.b'], protocol: 'http' }],
    },
    ['t.c'],
    ['a.b'],
  ],
  [
    'https alone is closed by a deny of https',
    {
      allow: [{ domains: ['a.b'], protocol: 'https' }, { domains: ['h.b'] }],
      deny: [{ domains: ['*.b'], protocol: 'https' }],
    },
    ['h.b'],
    ['a.b'],
  ],
  [
    'a deny that names nobody counts as well',
    {
      allow: [{ domains: ['a.b'] }, { domains: ['t.b'], ports: port(25), protocol: tcp }],
      deny: [{ ports: port(25) }, { methods: ['DELETE'] }],
    },
    ['a.b'],
    ['t.b'],
  ],
];

for (const [name, lists, reached, closed] of cases) {
  test(name, () => {
    const policy = policyOf(lists);
    for (const host of reached) assert.equal(policy.mayReach(host), true, host);
    for (const host of closed) assert.equal(policy.mayReach(host), false, host);
  });
}

test('mode audit makes no difference: whether that counts is for the caller to say', () => {
  assert.equal(policyOf({ mode: 'audit' }).mayReach('a.b'), false);
});

const label = fc.constantFrom('a', 'b', 'ab');
const host = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
const domain = fc.oneof(
  fc.constant('*'),
  host,
  host.map((name) => `*.${name}`),
);
const number = fc.constantFrom(1, 22, 79, 80, 81, 443, 444, 8080, 65535);
const range = fc
  .tuple(number, number)
  .map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }));
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 });
const ports = fc.oneof(fc.constant(any), some(range));
const web = fc.constantFrom('http' as const, 'https' as const);
const allowRule = fc.oneof(
  fc.record(
    { domains: some(domain), ports, protocol: web, methods: some(fc.constantFrom('GET', 'POST')) },
    { requiredKeys: ['domains'] },
  ),
  fc.record({ domains: some(domain), ports: some(range), protocol: fc.constant(tcp) }),
);
const denyRule = fc
  .record(
    {
      domains: some(domain),
      ports,
      protocol: web,
      methods: some(fc.constantFrom('GET', 'POST')),
      paths: fc.constant(['/a']),
    },
    { requiredKeys: [] },
  )
  .filter((spec) => Object.keys(spec).length > 0);
const lists = fc.record({
  inspect: fc.constantFrom('always' as const, 'auto' as const),
  allow: fc.array(allowRule, { maxLength: 6 }),
  deny: fc.array(denyRule, { maxLength: 6 }),
});

/** A policy, or null where the rules contradict each other and do not load. */
function loaded(drawn: RuleLists): Policy | null {
  try {
    return policyOf(drawn);
  } catch {
    return null;
  }
}

/** Every way to ask for a name that the generated rules tell apart. */
function everyTarget(name: string, specs: readonly RuleSpec[]): Target[] {
  const stated = specs.flatMap((spec) => (spec.ports === undefined || spec.ports === any ? [] : spec.ports));
  const edges = [80, 443, ...stated.flatMap(({ from, to }) => [from - 1, from, to, to + 1])];
  const place = { host: name, hostKind: 'name' } as const;
  return [...new Set(edges)]
    .filter((at) => at >= 1 && at <= 65535)
    .flatMap((at) => [
      ...(['tls', 'tcp'] as const).map(
        (protocol): Target => ({ kind: 'tunnel', protocol, ...place, port: at }),
      ),
      ...(['http', 'https'] as const).flatMap((scheme) =>
        ['GET', 'POST', 'PUT'].flatMap((method) =>
          ['/a', '/b'].map((path): Target => {
            const more = { overrides: [], query: '', upgrade: null };
            return { kind: 'http', scheme, method, path, ...place, port: at, ...more };
          }),
        ),
      ),
    ]);
}

test('a name that is out of reach has no target that is allowed', () => {
  fc.assert(
    fc.property(lists, host, (drawn, name) => {
      const policy = loaded(drawn);
      if (policy === null || policy.mayReach(name)) return;
      const targets = everyTarget(name, [...drawn.allow, ...drawn.deny]);
      const allowed = targets.find((target) => policy.decide(target).allowed);
      assert.equal(allowed, undefined);
    }),
    { numRuns: 2000 },
  );
});

test('a name within reach has one, once the denies that look at requests are taken away', () => {
  fc.assert(
    fc.property(lists, host, ({ inspect, allow, deny }, name) => {
      const blunt = deny.filter(({ methods, paths }) => methods === undefined && paths === undefined);
      const policy = loaded({ inspect, allow, deny: blunt });
      if (policy === null) return;
      const allowed = everyTarget(name, [...allow, ...blunt]).some((target) => policy.decide(target).allowed);
      assert.equal(policy.mayReach(name), allowed);
    }),
    { numRuns: 2000 },
  );
});
