import type { Rule } from '../policy/types.ts';

interface Bucket {
  tokens: number;
  /** milliseconds */
  filledAt: number;
  running: number;
}

/** Whole seconds until a request may come again, and the rule that says so. */
export interface TooMany {
  readonly rule: Rule;
  readonly retryAfter: number;
  readonly reason: string;
}

/** The running state of `limits: { requests, concurrent }`, per rule. A reload makes new rules, which start full. */
export interface RuleLimits {
  /**
   * Takes one request from every rule, or from none and says which one refused.
   * What was taken is given back with `release`.
   */
  take(rules: readonly Rule[]): TooMany | null;
  release(rules: readonly Rule[]): void;
}

/** @param now milliseconds, monotonic */
export function createRuleLimits(now: () => number = performance.now.bind(performance)): RuleLimits {
  const buckets = new WeakMap<Rule, Bucket>();

  function bucketOf(rule: Rule): Bucket {
    let bucket = buckets.get(rule);
    if (bucket === undefined) {
      bucket = { tokens: rule.spec.limits?.requests?.count ?? 0, filledAt: now(), running: 0 };
      buckets.set(rule, bucket);
    }
    return bucket;
  }

  function refusal(rule: Rule): TooMany | null {
    const { requests, concurrent } = rule.spec.limits ?? {};
    const bucket = bucketOf(rule);
    if (concurrent !== undefined && bucket.running >= concurrent) {
      return { rule, retryAfter: 1, reason: `${rule.label} allows ${concurrent} requests at a time.` };
    }
    if (requests === undefined) return null;
    const perToken = (requests.perSeconds * 1000) / requests.count;
    const time = now();
    bucket.tokens = Math.min(requests.count, bucket.tokens + (time - bucket.filledAt) / perToken);
    bucket.filledAt = time;
    if (bucket.tokens >= 1) return null;
    const retryAfter = Math.max(1, Math.ceil(((1 - bucket.tokens) * perToken) / 1000));
    const reason = `${rule.label} allows ${requests.count} requests per ${requests.perSeconds} s.`;
    return { rule, retryAfter, reason };
  }

  return {
    take(rules) {
      for (const rule of rules) {
        const refused = rule.spec.limits === undefined ? null : refusal(rule);
        if (refused !== null) return refused;
      }
      for (const rule of rules) {
        if (rule.spec.limits === undefined) continue;
        const bucket = bucketOf(rule);
        bucket.running++;
        if (rule.spec.limits.requests !== undefined) bucket.tokens--;
      }
      return null;
    },
    release(rules) {
      for (const rule of rules) {
        if (rule.spec.limits !== undefined) bucketOf(rule).running--;
      }
    },
  };
}

/** The smallest body limit of the rules, in bytes; Infinity where none has one. */
export function bodyLimit(rules: readonly Rule[], which: 'requestBody' | 'responseBody'): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const rule of rules) smallest = Math.min(smallest, rule.spec.limits?.[which] ?? smallest);
  return smallest;
}
