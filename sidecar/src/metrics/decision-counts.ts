import type { AuditProtocol, VerdictWord } from '../audit/types.ts';
import type { Rule } from '../policy/types.ts';

const verdicts = ['allow', 'deny', 'would-deny'] as const satisfies readonly VerdictWord[];
const protocols = ['http', 'https', 'tls', 'tcp', 'dns'] as const satisfies readonly AuditProtocol[];
/** The methods that have a label of their own (RFC 9110 section 9, PATCH of RFC 5789). */
const methods = [
  'none',
  'OTHER',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
];

const verdictCodes = new Map<VerdictWord, number>(verdicts.map((word, code) => [word, code]));
const protocolCodes = new Map<AuditProtocol, number>(protocols.map((word, code) => [word, code]));
const methodCodes = new Map<string, number>(methods.slice(2).map((word, code) => [word, code + 2]));

/** One time series of `boundary_decisions_total`. */
export interface DecisionSeries {
  readonly labels: { verdict: VerdictWord; protocol: AuditProtocol; method: string; rule: string };
  readonly value: number;
}

/** What a verdict without a rule is called. A rule's own label holds a `:`, so the two cannot be confused. */
export const noRule = 'none';
/** Where rules that got no name of their own are counted. */
export const otherRules = 'other';

type Counts = Map<number, number>;

/** A plain number for verdict, protocol and method together. */
function codeOf(verdict: VerdictWord, protocol: AuditProtocol, method: string | null): number {
  const methodCode = method === null ? 0 : (methodCodes.get(method) ?? 1);
  const protocolCode = protocolCodes.get(protocol) ?? 0;
  return ((verdictCodes.get(verdict) ?? 1) * protocols.length + protocolCode) * methods.length + methodCode;
}

function add(counts: Counts, code: number, count: number): void {
  counts.set(code, (counts.get(code) ?? 0) + count);
}

function total(counts: Counts): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}

/**
 * Decisions by verdict, protocol, method and rule, with a finite number of series.
 *
 * Names are given out when the series are read: of the rules that have none yet the most used come first, until
 * `limit` rules have one. A rule keeps its name, and what was counted as `other` stays there, so that no series
 * ever goes down. A name is a label (`FILE:LINE`), so it outlives a reload.
 */
export class DecisionCounts {
  readonly #limit: number;
  readonly #named = new Map<string, Counts>();
  readonly #other: Counts = new Map();
  readonly #none: Counts = new Map();
  /** since the last fold, by rule object: the cheapest key the data path has */
  readonly #fresh = new Map<Rule, Counts>();

  /** @param limit how many rules may have a name of their own */
  constructor(limit = 500) {
    this.#limit = limit;
  }

  count(verdict: VerdictWord, protocol: AuditProtocol, method: string | null, rule: Rule | null): void {
    const code = codeOf(verdict, protocol, method);
    if (rule === null) {
      add(this.#none, code, 1);
      return;
    }
    let counts = this.#fresh.get(rule);
    if (counts === undefined) {
      counts = new Map();
      this.#fresh.set(rule, counts);
    }
    add(counts, code, 1);
  }

  /** Gives names out and lets go of the rule objects. Called by `series`, and when a policy is replaced. */
  fold(): void {
    const byLabel = new Map<string, Counts>();
    for (const [rule, counts] of this.#fresh) {
      const sum = byLabel.get(rule.label) ?? new Map<number, number>();
      for (const [code, count] of counts) add(sum, code, count);
      byLabel.set(rule.label, sum);
    }
    this.#fresh.clear();
    const unnamed: { label: string; counts: Counts; uses: number }[] = [];
    for (const [label, counts] of byLabel) {
      const named = this.#named.get(label);
      if (named === undefined) unnamed.push({ label, counts, uses: total(counts) });
      else for (const [code, count] of counts) add(named, code, count);
    }
    if (this.#named.size + unnamed.length > this.#limit) unnamed.sort((a, b) => b.uses - a.uses);
    for (const { label, counts } of unnamed) {
      if (this.#named.size < this.#limit) this.#named.set(label, counts);
      else for (const [code, count] of counts) add(this.#other, code, count);
    }
  }

  /** How many verdicts of each word there were, 0 for those that never fell. */
  byVerdict(): ReadonlyMap<VerdictWord, number> {
    const sums = new Map<VerdictWord, number>(verdicts.map((verdict) => [verdict, 0]));
    for (const { labels, value } of this.series()) {
      sums.set(labels.verdict, (sums.get(labels.verdict) ?? 0) + value);
    }
    return sums;
  }

  /** Every series, as it stands now. */
  *series(): Generator<DecisionSeries> {
    this.fold();
    yield* seriesOf(noRule, this.#none);
    yield* seriesOf(otherRules, this.#other);
    for (const [label, counts] of this.#named) yield* seriesOf(label, counts);
  }
}

function* seriesOf(rule: string, counts: Counts): Generator<DecisionSeries> {
  for (const [code, value] of counts) {
    const method = methods[code % methods.length] ?? 'OTHER';
    const rest = Math.floor(code / methods.length);
    const protocol = protocols[rest % protocols.length] ?? 'http';
    const verdict = verdicts[Math.floor(rest / protocols.length)] ?? 'deny';
    yield { labels: { verdict, protocol, method, rule }, value };
  }
}
