import type { Target } from '../target/types.ts';
import { readAddress } from './address.ts';
import { type AddressJudge, createAddressJudge } from './address-judge.ts';
import type { Bucket, Candidates, RuleList } from './candidates.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { conditionsHold, hostHolds, overridesOf, pathHolds } from './matching.ts';
import { askedText, deniedReason, deniedRemedy, noRuleReason, noRuleRemedy, traceReason } from './reasons.ts';
import type { Decision, Rule } from './types.ts';
import { allowedBy, denied } from './verdicts.ts';

export interface Decider {
  decide(target: Target): Decision;
  judge: AddressJudge;
}

/** The verdict of the rules. `compiled` is indexed by rule id. */
export function createDecider(compiled: readonly CompiledRule[], candidates: Candidates): Decider {
  const judge = createAddressJudge(compiled, candidates);
  // Reused by every call: nothing below calls itself.
  const lists: RuleList[] = [];

  function decide(target: Target): Decision {
    const first = decideOne(target);
    if (target.kind === 'tunnel' || target.overrides.length === 0 || !first.allowed) return first;
    const allows = new Set(first.allows);
    for (const other of overridesOf(target)) {
      const decision = decideOne(other);
      if (!decision.allowed) return decision;
      for (const rule of decision.allows) allows.add(rule);
    }
    return allowedBy(inOrder([...allows]));
  }

  function decideOne(target: Target): Decision {
    const about = candidates.about(target);
    const single = about.length === 1 && target.hostKind === 'name' ? about[0]?.single : null;
    if (single) return traced(target, conditionsHold(single, target) ? single.alone : unmatched(target));
    const deny = findDeny(target, about);
    if (deny !== null) return denied(deny, deniedReason(deny, askedText(target)), deniedRemedy(deny));
    return traced(target, target.hostKind === 'name' ? allowName(target, about) : allowAddress(target));
  }

  /** The decision, but for a TRACE that a rule would inject a header into. */
  function traced(target: Target, decision: Decision): Decision {
    if (!decision.allowed || target.kind === 'tunnel' || target.method !== 'TRACE') return decision;
    const injecting = decision.allows.find(({ spec }) => spec.inject !== undefined);
    return injecting === undefined ? decision : denied(injecting, traceReason(injecting));
  }

  function findDeny(target: Target, about: readonly Bucket[]): Rule | null {
    let deny: Rule | null = null;
    lists.length = 0;
    for (const { denies } of about) denies?.collect(target, lists);
    if (target.hostKind !== 'name' && !candidates.noAddressDenies) {
      const address = readAddress(target.host);
      if (address !== null) {
        lists.push(
          candidates.addressDenies(address).filter((c) => hostHolds(c, target) && pathHolds(c, target)),
        );
      }
    }
    for (const list of lists) {
      for (const candidate of list) {
        if (deny !== null && candidate.rule.id >= deny.id) continue;
        if (conditionsHold(candidate, target)) deny = candidate.rule;
      }
    }
    return deny;
  }

  function allowName(target: Target, about: readonly Bucket[]): Decision {
    lists.length = 0;
    for (const { allows } of about) allows?.collect(target, lists);
    let only: CompiledRule | null = null;
    let several: Rule[] | null = null;
    for (const list of lists) {
      for (const candidate of list) {
        if (!conditionsHold(candidate, target)) continue;
        if (only === null) only = candidate;
        else if (several !== null) several.push(candidate.rule);
        else if (only !== candidate) several = [only.rule, candidate.rule];
      }
    }
    if (several !== null) return allowedBy(inOrder([...new Set(several)]));
    return only === null ? unmatched(target) : only.alone;
  }

  /** An address needs no look-up, so it is judged at once. */
  function allowAddress(target: Target): Decision {
    const address = readAddress(target.host);
    const found = address === null ? [] : candidates.addressAllows(address);
    const allows = found
      .filter((c) => conditionsHold(c, target) && pathHolds(c, target))
      .map(({ rule }) => rule);
    if (allows.length === 0) return unmatched(target);
    const open = allows.filter((rule) => judge(target, allowedBy([rule]), target.host).allowed);
    if (open.length > 0) return allowedBy(inOrder(open));
    const { reason, remedy } = judge(target, allowedBy(inOrder(allows)), target.host);
    return denied(null, reason, remedy);
  }

  function unmatched(target: Target): Decision {
    const near = nearest(target);
    return denied(null, noRuleReason(askedText(target), near), noRuleRemedy(target, near));
  }

  /** An allow rule about the host of a request that no rule allows. */
  function nearest(target: Target): Rule | null {
    const about = candidates.profiles(target).filter(({ allow }) => allow);
    return inOrder(about.flatMap(({ rules }) => rules.slice(0, 1)).map(({ rule }) => rule))[0] ?? null;
  }

  return { decide, judge };
}

function inOrder(rules: Rule[]): Rule[] {
  return rules.sort((a, b) => a.id - b.id);
}
