import { type Explanation, explain } from '../policy/explain.ts';
import type { Policy } from '../policy/types.ts';
import { writtenTarget } from '../target/written-target.ts';

/** What a policy says of a request that somebody wrote down. A refused one is denied without a rule. */
export interface Answer {
  readonly verdict: 'allow' | 'deny';
  readonly rule: { readonly file: string; readonly line: number } | null;
  readonly reason: string;
  /** The smallest change that turns the verdict round; null where no policy could. */
  readonly change: string | null;
}

/** Judges a written request as enforcing would. Nothing is looked up. */
export function answer(policy: Policy, method: string, url: string): Answer {
  const target = writtenTarget(method, url);
  if (!target.ok) {
    const { status, reason } = target.refusal;
    return {
      verdict: 'deny',
      rule: null,
      reason: `${reason} (answered ${status}, whatever the rules)`,
      change: null,
    };
  }
  const explanation: Explanation = explain(policy, target.value);
  const { verdict, rule, reason, change } = explanation;
  return { verdict, rule: rule === null ? null : { file: rule.file, line: rule.line }, reason, change };
}
