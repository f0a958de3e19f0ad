import { explain } from '../policy/explain.ts';
import type { Policy, PolicyFault, Rule } from '../policy/types.ts';
import { urlTarget } from '../target/http-target.ts';

/** The policy in force, for people and tools. Values of injected headers are secrets and left out. */
export function policyView(policy: Policy, warnings: readonly PolicyFault[]): object {
  return {
    hash: policy.hash,
    mode: policy.mode,
    inspect: policy.inspect,
    on_audit_failure: policy.onAuditFailure,
    files: policy.files,
    rules: policy.rules.map(ruleView),
    warnings,
  };
}

function ruleView(rule: Rule): object {
  const { inject, ...spec } = rule.spec;
  return {
    effect: rule.effect,
    file: rule.file,
    line: rule.line,
    column: rule.column,
    spec: inject === undefined ? spec : { ...spec, inject: { header: inject.header } },
  };
}

/**
 * What the policy says of a request, as enforcing would have it, whatever the mode. Nothing is looked up. A URL that
 * the proxy would refuse (400 and its like) is denied with that reason.
 */
export function explanationView(policy: Policy, method: string, url: string): object {
  const target = urlTarget(method, url);
  if (!target.ok) return { verdict: 'deny', rule: null, reason: target.refusal.reason };
  const { verdict, rule, reason, change, dependsOnAddress } = explain(policy, target.value);
  return {
    verdict,
    rule: rule === null ? null : place(rule),
    reason,
    change,
    depends_on_address: dependsOnAddress.map(place),
  };
}

function place({ file, line }: Rule): { file: string; line: number } {
  return { file, line };
}
