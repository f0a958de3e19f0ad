import { Candidates } from './candidates.ts';
import { compileRule } from './compiled-rule.ts';
import { findConflicts } from './conflicts.ts';
import { createDecider } from './decider.ts';
import { createMayReach } from './may-reach.ts';
import { createTreat } from './treat.ts';
import type { Inspect, Mode, Policy, PolicyFault, Rule } from './types.ts';

/** What a policy is made of once its sources are read and each rule is known to be sound by itself. */
export interface PolicyParts {
  readonly mode: Mode;
  readonly inspect: Inspect;
  /** May names resolve into private address space, where a rule does not say otherwise? */
  readonly private: boolean;
  readonly onAuditFailure: 'continue' | 'deny';
  readonly hash: string;
  readonly files: readonly string[];
  /** `rules[n].id` is n. */
  readonly rules: readonly Rule[];
  readonly confines: readonly ('files' | 'commands')[];
}

/**
 * Makes the form of a policy that is asked. Faults are those that only the rules together show: a rule that has to
 * look inside where nothing is opened, and two rules that inject one header.
 */
export function compilePolicy(
  parts: PolicyParts,
): { readonly policy: Policy } | { readonly faults: readonly PolicyFault[] } {
  const compiled = parts.rules.map((rule) => compileRule(rule, parts.private));
  const candidates = new Candidates(compiled);
  const faults = findConflicts(compiled, candidates, parts.inspect);
  if (faults.length > 0) return { faults };
  const decider = createDecider(compiled, candidates);
  const { mode, inspect, onAuditFailure, hash, files, rules, confines } = parts;
  const policy: Policy = {
    mode,
    inspect,
    onAuditFailure,
    hash,
    files,
    rules,
    confines,
    decide: decider.decide,
    treat: createTreat(candidates, decider, inspect),
    mayReach: createMayReach(candidates),
    judgeAddress: decider.judge,
    injections: (target, decision) =>
      target.scheme === 'https' ? decision.allows.flatMap(({ spec }) => spec.inject ?? []) : [],
  };
  return { policy };
}
