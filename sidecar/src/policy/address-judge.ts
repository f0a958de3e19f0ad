import type { Target } from '../target/types.ts';
import { type Address, cidrHolds, readAddress } from './address.ts';
import { type AddressClass, classOf, opensByCidr } from './address-class.ts';
import type { Candidates } from './candidates.ts';
import type { CompiledRule, OwnDecision } from './compiled-rule.ts';
import { conditionsHold, hostHolds, overridesOf, pathHolds } from './matching.ts';
import {
  askedText,
  deniedReason,
  deniedRemedy,
  notAnAddressReason,
  outsideCidrReason,
  outsideCidrRemedy,
  specialAddressReason,
  specialAddressRemedy,
} from './reasons.ts';
import type { AddressDecision, Decision, Rule } from './types.ts';
import { addressAllowedBy, addressDenied } from './verdicts.ts';

export type AddressJudge = (target: Target, decision: Decision, address: string) => AddressDecision;

/** Said of an address that nothing refuses, where mode `audit` lets a request pass that no rule allows. */
const NOTHING_SPECIAL: AddressDecision = {
  allowed: true,
  rule: null,
  reason: 'No rule denies this address, and it is not a special one.',
};

/** See `Policy.judgeAddress`. `compiled` is indexed by rule id. */
export function createAddressJudge(compiled: readonly CompiledRule[], candidates: Candidates): AddressJudge {
  function judge(target: Target, decision: Decision, text: string): AddressDecision {
    const address = readAddress(text);
    if (address === null) return addressDenied(null, notAnAddressReason(text));
    const special = classOf(address);
    if (special === null && candidates.noAddressDenies) {
      const { ordinaryAddress = null }: Partial<OwnDecision> = decision;
      if (ordinaryAddress !== null) return ordinaryAddress;
    }
    const asked = target.kind === 'http' ? overridesOf(target) : [];
    const deny = candidates.noAddressDenies ? null : findDeny([target, ...asked], address);
    if (deny !== null)
      return addressDenied(deny, deniedReason(deny, `${askedText(target)} at ${text}`), deniedRemedy(deny));
    if (decision.allows.length === 0) {
      return special === null ? NOTHING_SPECIAL : specialDenied(target, text, special, null);
    }
    const rule = findAllow(target, decision, address, special);
    const covered = asked.every((other) => findAllow(other, decision, address, special) !== null);
    if (rule !== null && covered) return addressAllowedBy(rule);
    const first = decision.allows[0] ?? null;
    if (special !== null) return specialDenied(target, text, special, first);
    if (first === null) return addressDenied(null, notAnAddressReason(text));
    return addressDenied(null, outsideCidrReason(target, text, first), outsideCidrRemedy(first));
  }

  function findDeny(targets: readonly Target[], address: Address): Rule | null {
    const found = candidates
      .addressDenies(address)
      .filter((c) =>
        targets.some((target) => hostHolds(c, target) && pathHolds(c, target) && conditionsHold(c, target)),
      );
    return found.sort((a, b) => a.rule.id - b.rule.id)[0]?.rule ?? null;
  }

  function findAllow(
    target: Target,
    { allows }: Decision,
    address: Address,
    special: AddressClass | null,
  ): Rule | null {
    const several = target.kind === 'http' && allows.length > 1;
    for (const rule of allows) {
      const candidate = compiled[rule.id];
      if (candidate === undefined || !opens(candidate, address, special)) continue;
      // With overrides, the rules of all methods stand in one list.
      if (!several || (conditionsHold(candidate, target) && pathHolds(candidate, target))) return rule;
    }
    return null;
  }

  return judge;
}

function specialDenied(
  target: Target,
  text: string,
  special: AddressClass,
  rule: Rule | null,
): AddressDecision {
  const reason = specialAddressReason(target, text, special, rule);
  return addressDenied(null, reason, specialAddressRemedy(target, text, special, rule));
}

function opens(rule: CompiledRule, address: Address, special: AddressClass | null): boolean {
  const { cidrs } = rule;
  if (cidrs !== null && !cidrs.some((cidr) => cidrHolds(cidr, address))) return false;
  if (special === null) return true;
  if (rule.private && special.opening === 'cidr-or-private') return true;
  return cidrs !== null && opensByCidr(special, cidrs, address);
}
