/**
 * Nanoseconds per verdict (decide, and the address it leads to) at 10 to 10,000 rules, for policies of different
 * making. Run it with `node test/bench/policy.ts`; the number of rules should not show.
 */
import { compilePolicy } from '../../sidecar/src/policy/compile.ts';
import type { Policy, Rule, RuleSpec } from '../../sidecar/src/policy/types.ts';
import type { HttpTarget } from '../../sidecar/src/target/types.ts';

const SIZES = [10, 100, 1000, 10_000];
const VERDICTS = 400_000;
const ROUNDS = 5;

interface Making {
  readonly name: string;
  readonly spec: (index: number) => RuleSpec;
  readonly host: (index: number) => string;
  readonly path: (index: number) => string;
  readonly effect?: 'deny';
}

const MAKINGS: readonly Making[] = [
  {
    name: 'hosts',
    spec: (n) =>
      n % 4 === 0 ? { domains: [`*.zone${n}.example.net`] } : { domains: [`host${n}.example.org`] },
    host: (n) => (n % 4 === 0 ? `api.zone${n}.example.net` : `host${n}.example.org`),
    path: () => '/v1/messages',
  },
  {
    name: 'hosts, denied',
    spec: (n) =>
      n % 4 === 0 ? { domains: [`*.zone${n}.example.net`] } : { domains: [`host${n}.example.org`] },
    host: (n) => `other${n}.example.com`,
    path: () => '/v1/messages',
  },
  {
    name: 'paths of one host',
    spec: (n) => ({ domains: ['api.example.org'], methods: ['GET'], paths: [`/team/${n}/*`] }),
    host: () => 'api.example.org',
    path: (n) => `/team/${n}/issues/7`,
  },
  {
    name: 'stars inside',
    spec: (n) => ({ domains: [`svc${n}.*.example.org`] }),
    host: (n) => `svc${n}.eu.example.org`,
    path: () => '/',
  },
  {
    name: 'deny paths of one host',
    spec: (n) =>
      n === 0 ? { domains: ['example.org'] } : { domains: ['example.org'], paths: [`/no/${n}/*`] },
    host: () => 'example.org',
    path: (n) => `/yes/${n}/issues/7`,
    effect: 'deny',
  },
];

for (const making of MAKINGS) {
  const figures = SIZES.map((size) => {
    const policy = policyOf(making, size);
    const targets = Array.from({ length: 512 }, (_, index) => targetOf(making, (index * 7919) % size));
    const rounds = Array.from({ length: ROUNDS }, () => [
      nanoseconds(policy, targets, false),
      nanoseconds(policy, targets, true),
    ]);
    const best = [0, 1].map((column) => Math.min(...rounds.map((round) => round[column] ?? 0)));
    return best.map((figure) => figure.toFixed(0).padStart(6)).join(' ');
  });
  console.log(`${making.name.padEnd(24)}${figures.map((figure) => figure.padStart(16)).join('')}`);
}
console.log(`${'rules'.padEnd(24)}${SIZES.map((size) => String(size).padStart(16)).join('')}`);
console.log('ns per verdict, best of five rounds: decide, and decide with judgeAddress');

function nanoseconds(policy: Policy, targets: readonly HttpTarget[], address: boolean): number {
  let allowed = 0;
  const start = process.hrtime.bigint();
  for (let done = 0; done < VERDICTS; done += targets.length) {
    for (const target of targets) {
      const decision = policy.decide(target);
      if (!decision.allowed) continue;
      if (!address || policy.judgeAddress(target, decision, '140.82.121.4').allowed) allowed += 1;
    }
  }
  if (allowed < 0) throw new Error('no verdict was counted');
  return Number(process.hrtime.bigint() - start) / VERDICTS;
}

function policyOf(making: Making, size: number): Policy {
  const rules = Array.from({ length: size }, (_, id): Rule => {
    const effect = id === 0 ? 'allow' : (making.effect ?? 'allow');
    return {
      id,
      effect,
      spec: making.spec(id),
      file: 'bench',
      line: id + 1,
      column: 1,
      label: `bench:${id + 1}`,
    };
  });
  const result = compilePolicy({
    mode: 'enforce',
    inspect: 'always',
    private: false,
    onAuditFailure: 'continue',
    hash: '',
    files: [],
    rules,
    confines: [],
  });
  if ('faults' in result) throw new Error(result.faults[0]?.message);
  return result.policy;
}

function targetOf(making: Making, index: number): HttpTarget {
  return {
    kind: 'http',
    scheme: 'https',
    method: 'GET',
    overrides: [],
    // Through a buffer, as names come from a socket: no string is shared with a rule.
    host: Buffer.from(making.host(index)).toString('latin1'),
    hostKind: 'name',
    port: 443,
    path: Buffer.from(making.path(index)).toString('latin1'),
    query: '',
    upgrade: null,
  };
}
