import { type Cidr, knownCidr } from './address.ts';
import { registryHosts } from './registry.ts';
import { repoPaths, repoTree } from './repo.ts';
import { looksAtRequests } from './rule-request.ts';
import type { AddressDecision, Decision, PortRange, Rule, RuleSpec } from './types.ts';
import { addressAllowedBy, allowedBy } from './verdicts.ts';

/** What a target travels as; a rule's `asked` is a set of these bits. */
export const HTTP = 1;
export const HTTPS = 2;
/** TLS passed by its server name. */
export const TLS = 4;
/** Opaque bytes. */
export const TCP = 8;
/** However it travels. */
export const ANY = HTTP | HTTPS | TLS | TCP;

/** A rule with every default filled in, in the form that is cheap to match. */
export interface CompiledRule {
  readonly rule: Rule;
  readonly asked: number;
  /** Null: any. */
  readonly ports: readonly PortRange[] | null;
  /** Domain patterns of whom the rule is about; null where it does not ask for a name. */
  readonly hosts: readonly string[] | null;
  /** Null: no condition on the address. */
  readonly cidrs: readonly Cidr[] | null;
  /** Null: every method. */
  readonly methods: ReadonlySet<string> | null;
  /** Path patterns; null: every path. For a repo, where its endpoints lie. */
  readonly paths: readonly string[] | null;
  /** True where the request has to be seen: TLS must be opened, and opaque bytes will not do. */
  readonly looksInside: boolean;
  /** True where a request's URL matters beyond its path: `repo`, `registry`. */
  readonly looksAtContent: boolean;
  /** May the rule's names resolve into private address space? */
  readonly private: boolean;
  /** The decision where this rule, of all allow rules, matches alone. */
  readonly alone: OwnDecision;
}

/** A decision by one rule, which knows what it means for ordinary addresses where nothing else has a say. */
export interface OwnDecision extends Decision {
  /** Null where the address matters to the rule. */
  readonly ordinaryAddress: AddressDecision | null;
}

/** Ports of an allow rule that names none. */
const WEB: readonly PortRange[] = [
  { from: 80, to: 80 },
  { from: 443, to: 443 },
];
const HTTPS_PORT: readonly PortRange[] = [{ from: 443, to: 443 }];

/** `privateNames` is the file's own `private:`. */
export function compileRule(rule: Rule, privateNames: boolean): CompiledRule {
  const { spec } = rule;
  const hosts = hostsOf(spec);
  const looksInside = looksAtRequests(spec);
  return {
    rule,
    asked: askedOf(rule, looksInside, hosts !== null),
    ports: portsOf(rule),
    hosts,
    cidrs: spec.cidrs?.map(knownCidr) ?? null,
    methods: spec.methods === undefined || spec.methods.includes('*') ? null : new Set(spec.methods),
    paths: pathsOf(rule),
    looksInside,
    looksAtContent: spec.repos !== undefined || spec.registries !== undefined,
    private: hosts !== null && (spec.private ?? privateNames),
    alone: {
      ...allowedBy([rule]),
      ordinaryAddress: spec.cidrs === undefined ? addressAllowedBy(rule) : null,
    },
  };
}

export function portMatches(ports: readonly PortRange[] | null, port: number): boolean {
  if (ports === null) return true;
  for (const { from, to } of ports) if (port >= from && port <= to) return true;
  return false;
}

/** Where `domain` stands beside `repo` or `registry` both must match; the narrower check follows the look-up. */
function hostsOf(spec: RuleSpec): readonly string[] | null {
  if (spec.domains !== undefined) return spec.domains;
  if (spec.repos !== undefined) return [...new Set(spec.repos.map(({ host }) => host))];
  return spec.registries?.flatMap((name) => registryHosts(name)) ?? null;
}

function pathsOf({ spec, effect }: Rule): readonly string[] | null {
  if (spec.paths !== undefined) return spec.paths.includes('*') ? null : spec.paths;
  return spec.repos?.flatMap((repo) => (effect === 'deny' ? repoTree(repo) : repoPaths(repo))) ?? null;
}

function askedOf({ spec, effect }: Rule, looksInside: boolean, named: boolean): number {
  if (effect === 'deny') return deniedOf(spec, looksInside, named);
  if (spec.protocol === 'tcp') return ANY;
  const overTls = spec.protocol === 'https' || [spec.repos, spec.registries, spec.inject].some(Boolean);
  return (overTls ? 0 : HTTP) | HTTPS | (looksInside ? 0 : TLS);
}

/**
 * A deny that has to look inside closes passed bytes of the hosts it names altogether. (Loading refuses policies
 * where that would happen.) One that names nobody is blind there, by definition.
 */
function deniedOf(spec: RuleSpec, looksInside: boolean, named: boolean): number {
  const wanted = spec.protocol === 'http' ? ANY & ~TCP : spec.protocol === 'https' ? HTTPS | TLS : ANY;
  return looksInside && !named ? wanted & (HTTP | HTTPS) : wanted;
}

function portsOf({ spec, effect }: Rule): readonly PortRange[] | null {
  if (spec.ports === 'any') return null;
  if (spec.ports !== undefined) return spec.ports;
  if (effect === 'deny') return null;
  return spec.repos !== undefined || spec.registries !== undefined ? HTTPS_PORT : WEB;
}
