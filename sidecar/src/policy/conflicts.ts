import type { Endpoint } from '../target/types.ts';
import type { Candidates } from './candidates.ts';
import { type CompiledRule, portMatches } from './compiled-rule.ts';
import { domainOverlap, exampleName, hasInnerStar, pathsOverlap, portsOverlap } from './overlap.ts';
import { inspectAt, type Profile } from './profiles.ts';
import { profilesAt } from './treat.ts';
import type { Inspect, PolicyFault, Rule } from './types.ts';

/** Rules that are sound each by itself and cannot all be kept. `inspect` is the file's own. */
export function findConflicts(
  rules: readonly CompiledRule[],
  candidates: Candidates,
  inspect: Inspect,
): PolicyFault[] {
  const faults = new Map<Rule, string>();
  if (
    inspect === 'never' ||
    rules.some(({ rule: { spec } }) => spec.inspect === 'never' || spec.protocol === 'tcp')
  ) {
    for (const host of exampleHosts(rules)) {
      const profiles = profilesAt(candidates, { ...host, port: 443 });
      for (const port of examplePorts(profiles)) findBlind(profiles, host.host, port, inspect, faults);
    }
  }
  findDoubleInjections(rules, faults);
  return [...faults]
    .sort(([a], [b]) => a.id - b.id)
    .map(([{ file, line, column }, message]) => ({ file, line, column, message }));
}

/**
 * Hosts such that, if two rules meet anywhere, they meet at one of them: patterns are nested or apart, but for those
 * with a star inside, whose overlaps are patterns of their own.
 */
function exampleHosts(rules: readonly CompiledRule[]): Omit<Endpoint, 'port'>[] {
  const patterns = [...new Set(rules.flatMap(({ hosts }) => hosts ?? []))];
  const overlaps = patterns
    .filter(hasInnerStar)
    .flatMap((a) => patterns.flatMap((b) => domainOverlap(a, b) ?? []));
  const names = new Set([...patterns, ...overlaps].map(exampleName));
  const addresses = rules.flatMap(({ hosts, rule }) => (hosts === null ? (rule.spec.cidrs ?? []) : []));
  return [
    ...[...names].map((host) => ({ host, hostKind: 'name' as const })),
    ...[...new Set(addresses)].map((cidr) => {
      const [host = ''] = cidr.split('/');
      return { host, hostKind: host.includes(':') ? ('ipv6' as const) : ('ipv4' as const) };
    }),
  ];
}

/** One port out of every stretch of ports that the same rules are about. */
function examplePorts(profiles: readonly Profile[]): number[] {
  const ports = profiles.flatMap(({ ports }) => (ports ?? []).flatMap(({ from, to }) => [from, to + 1]));
  return [...new Set([443, 1, ...ports])].filter((port) => port <= 65535);
}

function findBlind(
  profiles: readonly Profile[],
  host: string,
  port: number,
  file: Inspect,
  faults: Map<Rule, string>,
): void {
  const here = profiles.filter(({ ports }) => portMatches(ports, port));
  const tcp = here.find((profile) => profile.tcp)?.rules[0]?.rule;
  const passed = tcp !== undefined || inspectAt(here, port, file) === 'never';
  if (!passed) return;
  for (const profile of here) {
    // On port 80 without TLS requests are seen as they are; TLS that shows up there is refused.
    const blind = tcp === undefined ? profile.seesRequests && port !== 80 : profile.seesBytes;
    if (!blind || profile.tcp) continue;
    // Where nothing is allowed, a deny rule that sees nothing misses nothing.
    if (!here.some(({ allow }) => allow) && profile.inspect !== 'never') continue;
    for (const { rule } of profile.rules) {
      if (!faults.has(rule)) faults.set(rule, blindMessage(rule, here, host, port, tcp));
    }
  }
}

function blindMessage(
  rule: Rule,
  here: readonly Profile[],
  host: string,
  port: number,
  tcp: Rule | undefined,
): string {
  const where = `${host.replace(/any-label-boundary/g, '*')}:${port}`;
  const found = `this rule has to look inside connections to ${where}`;
  if (tcp !== undefined) {
    return `${found}, but the rule at ${tcp.label} (protocol: tcp) passes them unread. Give one of the two a "port" of its own, as in "port: [80, 443]", or remove one.`;
  }
  const never = here.find(({ inspect }) => inspect === 'never')?.rules[0]?.rule;
  const why = never === undefined ? 'the file says "inspect: never"' : `${never.label} says "inspect: never"`;
  return rule.effect === 'deny'
    ? `${found}, but ${why}. Add "inspect: always" to it, or deny the whole host.`
    : `${found}, but ${why}. Add "inspect: always" to it, or remove what looks at requests (methods, path, limits, inject, upgrade, repo, registry).`;
}

function findDoubleInjections(rules: readonly CompiledRule[], faults: Map<Rule, string>): void {
  const groups = new Map<string, CompiledRule[]>();
  for (const compiled of rules) {
    const { inject } = compiled.rule.spec;
    if (inject === undefined) continue;
    for (const host of compiled.hosts ?? []) {
      const key = `${host} ${inject.header.toLowerCase()}`;
      const others = groups.get(key) ?? [];
      const other = others.find((candidate) => meet(candidate, compiled));
      if (other !== undefined) {
        faults.set(
          compiled.rule,
          `this rule and the one at ${other.rule.label} both inject the header ${JSON.stringify(inject.header)} into the same request. Keep one, or give each a "path" or "methods" of its own.`,
        );
      }
      groups.set(key, [...others, compiled]);
    }
  }
}

function meet(a: CompiledRule, b: CompiledRule): boolean {
  const methods =
    a.methods === null || b.methods === null || [...a.methods].some((method) => b.methods?.has(method));
  const paths =
    a.paths === null || b.paths === null || a.paths.some((x) => b.paths?.some((y) => pathsOverlap(x, y)));
  return methods && paths && portsOverlap(a.ports, b.ports);
}
