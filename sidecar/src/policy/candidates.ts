import type { Endpoint, Target } from '../target/types.ts';
import type { Address } from './address.ts';
import { CidrIndex } from './cidr-index.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { type ReducedPath, reducePath } from './path-match.ts';
import { type Profile, profilesOf } from './profiles.ts';
import { WildcardIndex } from './wildcard-index.ts';

export type RuleList = CompiledRule[];

/** Rules of one effect about the same hosts, found by the path of a request. */
class PathTable {
  /** Every rule of the table. */
  readonly all: CompiledRule[] = [];
  /** Those without a condition on the path. */
  readonly anyPath: CompiledRule[] = [];
  /** The others. Most hosts have none, so these are made when needed. */
  #exact: WildcardIndex<RuleList> | null = null;
  /** For deny rules, by their reduced paths. */
  #reduced: Readonly<Record<keyof ReducedPath, WildcardIndex<RuleList>>> | null = null;

  add(compiled: CompiledRule): void {
    // Rules come one after the other: a repetition follows at once.
    if (this.all.at(-1) === compiled) return;
    this.all.push(compiled);
    if (compiled.paths === null) this.anyPath.push(compiled);
    for (const path of new Set(compiled.paths)) {
      this.#exact ??= new WildcardIndex('/');
      this.#exact.at(path, () => []).push(compiled);
      if (compiled.rule.effect === 'allow') continue;
      this.#reduced ??= { separated: new WildcardIndex('/'), ordinary: new WildcardIndex('/') };
      const { separated, ordinary } = reducePath(path, true);
      this.#reduced.separated.at(separated, () => []).push(compiled);
      this.#reduced.ordinary.at(ordinary, () => []).push(compiled);
    }
  }

  /** Lists of rules whose path condition, if any, matches. A rule may come more than once. */
  collect(target: Target, into: RuleList[]): void {
    if (target.kind === 'tunnel') {
      into.push(this.all);
      return;
    }
    if (this.anyPath.length > 0) into.push(this.anyPath);
    this.#exact?.collect(target.path, into);
    if (this.#reduced === null) return;
    const { separated, ordinary } = reducePath(target.path, false);
    this.#reduced.separated.collect(separated, into);
    this.#reduced.ordinary.collect(ordinary, into);
  }
}

/** The rules about one host pattern. */
export class Bucket {
  allows: PathTable | null = null;
  denies: PathTable | null = null;
  /** Where all that is said of the host is one allow rule for every path, that rule: it is found in one step. */
  single: CompiledRule | null = null;
  /** What the rules mean for a connection as such; made when first asked for. */
  #profiles: readonly Profile[] | null = null;

  get profiles(): readonly Profile[] {
    this.#profiles ??= profilesOf([...(this.allows?.all ?? []), ...(this.denies?.all ?? [])]);
    return this.#profiles;
  }

  add(compiled: CompiledRule): void {
    const first = this.allows === null && this.denies === null;
    const again = this.single === compiled;
    const plain = compiled.rule.effect === 'allow' && compiled.paths === null;
    this.single = again || (first && plain) ? compiled : null;
    if (compiled.rule.effect === 'allow') this.allows ??= new PathTable();
    else this.denies ??= new PathTable();
    (compiled.rule.effect === 'allow' ? this.allows : this.denies)?.add(compiled);
  }
}

/** Finds the rules that can matter to a target, at a cost that does not grow with the number of rules. */
export class Candidates {
  readonly #hosts = new WildcardIndex<Bucket>('.');
  /** `domain: "*"`. */
  #anyName: Bucket | null = null;
  /** Deny rules that name nobody. */
  #everywhere: Bucket | null = null;
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

  /**
   * The rules about a host, deny rules that name nobody included; for an address, {@link addressAllows} and
   * {@link addressDenies} complete them. The result is reused by the next call.
   */
  about(endpoint: Endpoint): readonly Bucket[] {
    const found = this.#found;
    found.length = 0;
    if (this.#everywhere !== null) found.push(this.#everywhere);
    if (endpoint.hostKind === 'name') {
      if (this.#anyName !== null) found.push(this.#anyName);
      this.#hosts.collect(endpoint.host, found);
    }
    return found;
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
    return this.about(endpoint).flatMap((found) => found.profiles);
  }

  #add(compiled: CompiledRule): void {
    const allow = compiled.rule.effect === 'allow';
    if (compiled.cidrs !== null && (!allow || compiled.hosts === null)) {
      const index = allow ? this.#addressAllows : this.#addressDenies;
      for (const cidr of compiled.cidrs) index.add(cidr, compiled);
      return;
    }
    // A rule of an allow list that names nobody would match nothing: there is no address to find it by.
    if (compiled.hosts === null && !allow) {
      this.#everywhere ??= new Bucket();
      this.#everywhere.add(compiled);
    }
    for (const pattern of compiled.hosts ?? []) {
      if (pattern === '*') this.#anyName ??= new Bucket();
      (pattern === '*' ? this.#anyName : this.#hosts.at(pattern, () => new Bucket()))?.add(compiled);
    }
  }
}
