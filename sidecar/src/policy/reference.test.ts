import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { policyOf, type RuleLists } from '../../../test/harness/rules.ts';
import type { HttpTarget, Target } from '../target/types.ts';
import { domainMatches } from './domain-match.ts';
import { denyPathMatches } from './matching.ts';
import { pathMatches } from './path-match.ts';
import type { Policy, RuleSpec } from './types.ts';
import { WildcardIndex } from './wildcard-index.ts';

/** The policy language read word by word: every rule is tried, nothing is indexed or reduced beforehand. */
function plainVerdict({ allow = [], deny = [] }: RuleLists, target: HttpTarget): number[] {
  const methods = [target.method, ...target.overrides];
  const perMethod = methods.map((method) => {
    if (deny.some((spec) => plainMatch(spec, target, method, true))) return [];
    return allow.flatMap((spec, id) => (plainMatch(spec, target, method, false) ? [id] : []));
  });
  if (perMethod.some((ids) => ids.length === 0)) return [];
  return [...new Set(perMethod.flat())].sort((a, b) => a - b);
}

function plainMatch(spec: RuleSpec, target: HttpTarget, method: string, deny: boolean): boolean {
  if (spec.domains !== undefined && !spec.domains.some((domain) => plainDomain(domain, target.host)))
    return false;
  if (spec.methods !== undefined && !spec.methods.some((item) => item === '*' || item === method))
    return false;
  if (spec.protocol === 'https' && target.scheme !== 'https') return false;
  if (spec.ports !== 'any' && !(deny && spec.ports === undefined)) {
    const ports = spec.ports ?? [80, 443].map((port) => ({ from: port, to: port }));
    if (!ports.some(({ from, to }) => from <= target.port && target.port <= to)) return false;
  }
  return (spec.paths ?? ['*']).some(
    (path) => plainPath(path, target.path) || (deny && plainDeny(path, target.path)),
  );
}

function plainDomain(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  const text = pattern.replace(/^\*\./, '(?:[^.]+\\.)+').replaceAll('*', '[^.]+');
  return new RegExp(`^${text}$`).test(name);
}

function plainPath(pattern: string, path: string): boolean {
  if (pattern === '*') return true;
  const [last, ...rest] = pattern.split('/').reverse();
  const parts = rest.reverse().map((part) => (part === '*' ? '[^/]*' : literally(part)));
  return new RegExp(`^${[...parts, last === '*' ? '.*' : literally(last ?? '')].join('/')}$`, 's').test(path);
}

function plainDeny(pattern: string, path: string): boolean {
  return [true, false].some((separator) =>
    plainPath(plainReduced(pattern, separator), plainReduced(path, separator)),
  );
}

/** Only what the generated paths hold: ASCII letters, `%2F`, `%61`, `;`, slashes. */
function plainReduced(path: string, separator: boolean): string {
  const text = path
    .replaceAll(/%2F/gi, separator ? '/' : '\u0001')
    .replaceAll('%61', 'a')
    .toLowerCase();
  const parts = text.split('/').map((part) => part.replace(/;.*$/, ''));
  return parts
    .filter((part) => part !== '')
    .map((part) => `/${part}`)
    .join('');
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

const label = fc.constantFrom('a', 'b', 'c', 'ab');
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const starred = fc.array(fc.oneof({ weight: 3, arbitrary: label }, fc.constant('*')), {
  minLength: 1,
  maxLength: 4,
});
const domain = fc.oneof(
  fc.constant('*'),
  name,
  fc.tuple(starred, label).map(([labels, last]) => [...labels, last].join('.')),
);
const segment = fc.constantFrom('a', 'b', 'A', '', '%61', 'a;b', 'a%2Fb', '%2Fb', ';b', 'ab');
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
const pathPattern = fc.oneof(
  fc.constant('*'),
  path,
  fc
    .array(fc.oneof({ weight: 2, arbitrary: segment }, fc.constant('*')), { minLength: 1, maxLength: 4 })
    .map((segments) => `/${segments.join('/')}`),
);
const method = fc.constantFrom('GET', 'POST', 'DELETE');
const port = fc.constantFrom(80, 443, 8080);
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 3 });
const conditions = {
  methods: some(fc.oneof(method, fc.constant('*'))),
  paths: some(pathPattern),
  ports: fc.oneof(fc.constant('any' as const), some(port.map((from) => ({ from, to: from + 20 })))),
  protocol: fc.constantFrom('http' as const, 'https' as const),
};
const allowRule = fc.record({ domains: some(domain), ...conditions }, { requiredKeys: ['domains'] });
const denyRule = fc
  .record({ domains: some(domain), ...conditions }, { requiredKeys: [] })
  .filter((spec) => Object.keys(spec).length > 0);
const lists = fc.record({
  allow: fc.array(allowRule, { maxLength: 12 }),
  deny: fc.array(denyRule, { maxLength: 6 }),
});
const target = fc
  .record({
    host: name,
    method,
    path,
    port,
    scheme: fc.constantFrom('http', 'https'),
    overrides: fc.array(method, { maxLength: 1 }),
  })
  .map(
    (drawn): HttpTarget =>
      ({ kind: 'http', hostKind: 'name', query: '', upgrade: null, ...drawn }) as HttpTarget,
  );

test('the compiled policy agrees with one that tries every rule', () => {
  fc.assert(
    fc.property(lists, fc.array(target, { minLength: 1, maxLength: 8 }), (drawn, targets) => {
      const policy = policyOf(drawn);
      for (const asked of targets) {
        const { allows, allowed } = policy.decide(asked);
        assert.deepEqual(
          allows.map(({ id }) => id),
          plainVerdict(drawn, asked),
          JSON.stringify(asked),
        );
        assert.equal(allowed, allows.length > 0);
      }
    }),
    { numRuns: 1500 },
  );
});

test('the order of rules changes no verdict', () => {
  fc.assert(
    fc.property(lists, target, ({ allow, deny }, asked) => {
      const there = policyOf({ allow, deny }).decide(asked).allowed;
      assert.equal(
        policyOf({ allow: allow.toReversed(), deny: deny.toReversed() }).decide(asked).allowed,
        there,
      );
    }),
  );
});

test('a connection that is refused unread holds no request that would be allowed', () => {
  fc.assert(
    fc.property(lists, target, (drawn, asked) => {
      const policy = policyOf(drawn);
      if (policy.treat(asked).kind === 'deny') assert.equal(policy.decide(asked).allowed, false);
    }),
    { numRuns: 500 },
  );
});

test('plain matchers and the index agree with regular expressions', () => {
  fc.assert(
    fc.property(some(domain), name, some(pathPattern), path, (domains, host, paths, asked) => {
      const byHost = new WildcardIndex<string>('.');
      const byPath = new WildcardIndex<string>('/');
      for (const item of domains) if (item !== '*') byHost.at(item, () => item);
      for (const item of paths) if (item !== '*') byPath.at(item, () => item);
      const hosts: string[] = [];
      const found: string[] = [];
      byHost.collect(host, hosts);
      byPath.collect(asked, found);
      for (const item of domains) {
        assert.equal(domainMatches(item, host), plainDomain(item, host));
        if (item !== '*') assert.equal(hosts.includes(item), plainDomain(item, host), `${item} ${host}`);
      }
      for (const item of paths) {
        assert.equal(pathMatches(item, asked), plainPath(item, asked), `${item} ${asked}`);
        if (item !== '*') assert.equal(found.includes(item), plainPath(item, asked), `${item} ${asked}`);
        assert.equal(
          denyPathMatches(item, asked),
          plainPath(item, asked) || plainDeny(item, asked),
          `${item} ${asked}`,
        );
      }
    }),
    { numRuns: 1500 },
  );
});

test('no target makes a policy throw', () => {
  const anything = fc.record({
    kind: fc.constant('http'),
    scheme: fc.constantFrom('http', 'https'),
    host: fc.string({ unit: 'binary' }),
    hostKind: fc.constantFrom('name', 'ipv4', 'ipv6'),
    port: fc.integer(),
    method: fc.string(),
    overrides: fc.array(fc.string(), { maxLength: 2 }),
    path: fc.string({ unit: 'binary' }),
    query: fc.string(),
    upgrade: fc.option(fc.string()),
  });
  const policy = policyOf({
    allow: [
      { domains: ['*'], paths: ['/a/*'] },
      { cidrs: ['0.0.0.0/0', '::/0'] },
      { repos: [{ host: 'github.com', owner: '*', name: '*' }] },
      { registries: ['npm', 'pypi', 'crates', 'go'], packages: ['a', '@b/*'] },
    ],
    deny: [{ paths: ['/b/%2F/*'] }, { cidrs: ['10.0.0.0/8'] }, { registries: ['npm'], packages: ['c'] }],
  });
  fc.assert(
    fc.property(anything, fc.string(), (drawn, address) => {
      const asked = drawn as Target;
      const decision = policy.decide(asked);
      judged(policy, asked, address);
      policy.treat(asked);
      assert.equal(typeof decision.allowed, 'boolean');
    }),
    { numRuns: 1000 },
  );
});

function judged(policy: Policy, asked: Target, address: string): void {
  policy.judgeAddress(asked, policy.decide(asked), address);
}
