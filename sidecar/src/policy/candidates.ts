import type { Endpoint, Target } from '../target/types.ts';
import type { Address } from './address.ts';
import { CidrIndex } from './cidr-index.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { reducePath } from './path-match.ts';
import { type Profile, profilesOf } from './profiles.ts';
import { WildcardIndex } from './wildcard-index.ts';

export type RuleList = CompiledRule[];

/** Rules of one effect about the same hosts, found by the path of a request. */
class PathTable {
  /** Every rule of the table. */
  readonly all: CompiledRule[] = [];
  /** Those without a condition on the path. */
  readonly anyPath: CompiledRule[] = [];
  readonly #exact = new WildcardIndex<RuleList>('/');
  /** For deny rules, by their reduced paths. */
  readonly #separated = new WildcardIndex<RuleList>('/');
  readonly #ordinary = new WildcardIndex<RuleList>('/');

  add(compiled: CompiledRule): void {
    if (this.all.includes(compiled)) return;
    this.all.push(compiled);
    if (compiled.paths === null) this.anyPath.push(compiled);
    for (const path of new Set(compiled.paths)) {
      this.#exact.at(path, () => []).push(compiled);
      if (compiled.rule.effect === 'allow') continue;
      const { separated, ordinary } = reducePath(path, true);
      this.#separated.at(separated, () => []).push(compiled);
      this.#ordinary.at(ordinary, () => []).push(compiled);
    }
  }

  /** Lists of rules whose path condition, if any, matches. A rule may come more than once. */
  collect(target: Target, into: RuleList[]): void {
    if (this.all.length === 0) return;
    if (target.kind === 'tunnel') {
      into.push(this.all);
      return;
    }
    if (this.anyPath.length > 0) into.push(this.anyPath);
    if (this.anyPath.length === this.all.length) return;
    this.#exact.collect(target.path, into);
    if (this.all[0]?.rule.effect === 'allow') return;
    const { separated, ordinary } = reducePath(target.path, false);
    this.#separated.collect(separated, into);
    this.#ordinary.collect(ordinary, into);
  }
}

/** The rules about one host pattern. */
interface Bucket {
  readonly allows: PathTable;
  readonly denies: PathTable;
  /** What the rules mean for a connection as such; made when first asked for. */
  profiles: readonly Profile[] | null;
}

/** Finds the rules that can matter to a target, at a cost that does not grow with the number of rules. */
export class Candidates {
  readonly #hosts = new WildcardIndex<Bucket>('.');
  /** `domain: "*"`. */
  readonly #anyName = bucket();
  /** Deny rules that name nobody. */
  readonly #everywhere = bucket();
  readonly #addressAllows = new CidrIndex<CompiledRule>();
  readonly #addressDenies = new CidrIndex<CompiledRule>();
  readonly #found: Bucket[] = [];

  constructor(rules: readonly CompiledRule[]) {
    for (const compiled of rules) this.#add(compiled);
  }

  /** True where no deny rule has a condition on the address. */
  get noAddressDenies(): boolean {
    return this.#addressDenies.empty;
  }

  /** Lists of deny rules without `cidr` whose host and path match. */
  denies(target: Target, into: RuleList[]): void {
    for (const { denies } of this.#about(target)) denies.collect(target, into);
  }

  /** Lists of allow rules whose host and path match; for an address, use {@link addressAllows}. */
  allows(target: Target, into: RuleList[]): void {
    for (const { allows } of this.#about(target)) allows.collect(target, into);
  }

  /** Allow rules that name no host and hold this address. */
  addressAllows(address: Address): CompiledRule[] {
    const found: CompiledRule[] = [];
    this.#addressAllows.collect(address, found);
    return found;
  }

  /** Deny rules with a `cidr` that holds this address; their other conditions are open. */
  addressDenies(address: Address): CompiledRule[] {
    const found: CompiledRule[] = [];
    this.#addressDenies.collect(address, found);
    return found;
  }

  /** What the rules about a host mean for connections, deny rules that name nobody included. */
  profiles(endpoint: Endpoint): Profile[] {
    return [...this.#about(endpoint)].flatMap((found) => {
      found.profiles ??= profilesOf([...found.allows.all, ...found.denies.all]);
      return found.profiles;
    });
  }

  /** The result is reused by the next call. */
  #about(endpoint: Endpoint): readonly Bucket[] {
    const found = this.#found;
    found.length = 0;
    found.push(this.#everywhere);
    if (endpoint.hostKind === 'name') {
      found.push(this.#anyName);
      this.#hosts.collect(endpoint.host, found);
    }
    return found;
  }

  #add(compiled: CompiledRule): void {
    const allow = compiled.rule.effect === 'allow';
    if (compiled.cidrs !== null && (!allow || compiled.hosts === null)) {
      const index = allow ? this.#addressAllows : this.#addressDenies;
      for (const cidr of compiled.cidrs) index.add(cidr, compiled);
      return;
    }
    // A rule of an allow list that names nobody would match nothing: there is no address to find it by.
    if (compiled.hosts === null && !allow) this.#everywhere.denies.add(compiled);
    for (const pattern of compiled.hosts ?? []) {
      const home = pattern === '*' ? this.#anyName : this.#hosts.at(pattern, bucket);
      (allow ? home.allows : home.denies).add(compiled);
    }
  }
}

function bucket(): Bucket {
  return { allows: new PathTable(), denies: new PathTable(), profiles: null };
}
