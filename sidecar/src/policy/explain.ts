import { authorityOf } from '../target/target-text.ts';
import type { Target } from '../target/types.ts';
import { type CompiledRule, compileRule } from './compiled-rule.ts';
import { conditionsHold, hostHolds, overridesOf, pathHolds } from './matching.ts';
import { ruleText } from './smallest-rule.ts';
import type { Policy, Rule } from './types.ts';

/** What a policy says of a target, for people. */
export interface Explanation {
  readonly verdict: 'allow' | 'deny';
  readonly rule: Rule | null;
  readonly reason: string;
  /** The smallest change of the policy that would turn the verdict round. */
  readonly change: string;
  /** When denied: the rule that `change` would add to `allow`, as YAML in flow style; null where it adds none. */
  readonly addition: string | null;
  /** Rules that depend on the address of a name, which is not looked up: the verdict is the one without them. */
  readonly dependsOnAddress: readonly Rule[];
}

/**
 * The verdict that enforcing gives, judged as the proxy would: where TLS is passed or a tcp rule holds, the connection
 * counts, not the request inside. Nothing is looked up.
 */
export function explain(policy: Policy, target: Target): Explanation {
  const { asked, note } = asSeen(policy, target);
  const decision = policy.decide(asked);
  const dependsOnAddress = asked.hostKind === 'name' ? addressRules(policy, asked) : [];
  const steady = decision.allows.filter((rule) => !dependsOnAddress.includes(rule));
  if (!decision.allowed) {
    const { rule, reason } = decision;
    return { verdict: 'deny', rule, reason, ...changeOfDenial(policy, asked, rule), dependsOnAddress };
  }
  const [rule] = steady;
  if (rule === undefined) {
    const labels = dependsOnAddress.filter(({ effect }) => effect === 'allow').map(({ label }) => label);
    const reason = `Whether ${asked.host} is allowed depends on its address (${labels.join(', ')}), which is not looked up here. No other rule allows it.`;
    return { verdict: 'deny', rule: null, reason, ...changeOfDenial(policy, asked, null), dependsOnAddress };
  }
  const hanging = dependsOnAddress.filter(({ effect }) => effect === 'deny').map(({ label }) => label);
  const unless =
    hanging.length === 0 ? '' : ` An address of ${asked.host} may still be denied by ${hanging.join(', ')}.`;
  return {
    verdict: 'allow',
    rule,
    reason: `Allowed by ${rule.label}.${note}${unless}`,
    change: `add to "deny": ${requestRule(policy, asked)}`,
    addition: null,
    dependsOnAddress,
  };
}

function asSeen(policy: Policy, target: Target): { readonly asked: Target; readonly note: string } {
  if (target.kind === 'tunnel') return { asked: target, note: '' };
  const treatment = policy.treat(target);
  const { host, hostKind, port } = target;
  if (treatment.kind === 'tcp') {
    return { asked: treatment.target, note: ' Bytes to that port are passed unread (protocol: tcp).' };
  }
  if (treatment.kind === 'sniff' && treatment.tls === 'pass' && target.scheme === 'https') {
    return {
      asked: { kind: 'tunnel', protocol: 'tls', host, hostKind, port },
      note: ` TLS to ${authorityOf(target)} is passed unopened: method and path are not seen.`,
    };
  }
  return { asked: target, note: '' };
}

function changeOfDenial(
  policy: Policy,
  target: Target,
  rule: Rule | null,
): Pick<Explanation, 'change' | 'addition'> {
  const without = (change: string) => ({ change, addition: null });
  if (rule?.effect === 'deny') {
    return without(`remove or narrow the deny rule at ${rule.label}; no allow rule can win over it`);
  }
  if (rule !== null) {
    return without(`use another method, or remove "inject" from the rule at ${rule.label}`);
  }
  const upgrade = target.kind === 'http' && target.upgrade === 'h2c';
  if (upgrade) return without('none: an upgrade to h2c never passes');
  const addition = requestRule(policy, target);
  return { change: `add to "allow": ${addition}`, addition };
}

/** A rule about a request has to have it seen; on port 80 plain HTTP is seen as it is. */
function requestRule(policy: Policy, target: Target): string {
  const rule = ruleText(target);
  if (target.kind === 'tunnel' || target.port === 80) return rule;
  const treatment = policy.treat(target);
  const passed = treatment.kind === 'sniff' ? treatment.tls === 'pass' : policy.inspect === 'never';
  return passed ? `${rule.slice(0, -2)}, inspect: always }` : rule;
}

/** Rules with a `cidr` that the target meets in everything but its address. */
function addressRules(policy: Policy, target: Target): Rule[] {
  const targets: readonly Target[] = target.kind === 'http' ? [target, ...overridesOf(target)] : [target];
  return policy.rules.filter((rule) => {
    if (rule.spec.cidrs === undefined) return false;
    const compiled = compileRule(rule, false);
    if (rule.effect === 'allow' && compiled.hosts === null) return false;
    return targets.some((one) => matches(compiled, one));
  });
}

function matches(compiled: CompiledRule, target: Target): boolean {
  return hostHolds(compiled, target) && pathHolds(compiled, target) && conditionsHold(compiled, target);
}
