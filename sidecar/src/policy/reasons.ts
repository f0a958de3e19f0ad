import { authorityOf, originOf } from '../target/target-text.ts';
import type { Endpoint, Target } from '../target/types.ts';
import type { AddressClass } from './address-class.ts';
import { ruleText } from './smallest-rule.ts';
import type { Rule } from './types.ts';

/** Longest part of a path that a reason repeats. */
const LONGEST_PATH = 120;

/** What was asked for, without its query, which may hold secrets. */
export function askedText(target: Target): string {
  if (target.kind === 'tunnel')
    return `a ${target.protocol.toUpperCase()} connection to ${authorityOf(target)}`;
  const path = target.path.length > LONGEST_PATH ? `${target.path.slice(0, LONGEST_PATH)}...` : target.path;
  const upgrade = target.upgrade === null ? '' : `, upgraded to ${target.upgrade.slice(0, 40)}`;
  return `${target.method} ${originOf(target)}${path === '*' ? ' (as a whole)' : path}${upgrade}`;
}

export function allowedReason(rule: Rule): string {
  return `Allowed by ${rule.label}.`;
}

/** The author's own `reason` is part of it: it was written for whoever meets the rule. */
export function deniedReason(rule: Rule, asked: string): string {
  const own = rule.spec.reason === undefined ? '' : ` (${rule.spec.reason})`;
  return `The rule at ${rule.label} denies ${asked}${own}.`;
}

/** What the owner of the policy could do about a denial by that rule; no allow rule can win over it. */
export function deniedRemedy(rule: Rule): string {
  return `change the rule at ${rule.label}`;
}

/** `near` is an allow rule about the same host that asks for something else. */
export function noRuleReason(asked: string, near: Rule | null): string {
  const missed =
    near === null ? '' : ` The rule at ${near.label} is about this host, but not about such a request.`;
  return `No rule allows ${asked}.${missed}`;
}

/**
 * What the owner of the policy could do about the want of a rule. Where rules speak of the host already, somebody
 * narrowed it on purpose, and the smallest rule is named; else one about the host.
 */
export function noRuleRemedy(target: Target, near: Rule | null): string {
  const short = target.kind === 'tunnel' || target.path.length <= LONGEST_PATH;
  return `add ${ruleText(target, near === null || !short)} to "allow"`;
}

export function traceReason(rule: Rule): string {
  return `TRACE is refused where a rule injects a header (${rule.label}), since the answer would repeat its secret. Use another method.`;
}

export function specialAddressReason(
  endpoint: Endpoint,
  address: string,
  special: AddressClass,
  rule: Rule | null,
): string {
  const what =
    endpoint.host === address ? `${address} is` : `${endpoint.host} resolves to ${address}, which is`;
  const by = rule === null ? '' : `, and the rule at ${rule.label} does not open it`;
  return `${what} a special address (${special.name})${by}.`;
}

/** What the owner of the policy could do to open a special address. Beside `preset` no `cidr` can stand. */
export function specialAddressRemedy(
  endpoint: Endpoint,
  address: string,
  special: AddressClass,
  rule: Rule | null,
): string {
  const alone = `cidr: ${address}/${address.includes(':') ? 128 : 32}`;
  if (endpoint.host === address) return `add a rule with "${alone}"`;
  const opening = special.opening === 'cidr-or-private' ? `"private: true" or "${alone}"` : `"${alone}"`;
  return rule === null || rule.spec.presets !== undefined
    ? `add a rule with "domain: ${endpoint.host}" and ${opening}`
    : `add ${opening} to the rule at ${rule.label}`;
}

export function outsideCidrReason(endpoint: Endpoint, address: string, rule: Rule): string {
  return `${endpoint.host} resolves to ${address}, which is outside the "cidr" of ${rule.label}.`;
}

export function outsideCidrRemedy(rule: Rule): string {
  return `widen the "cidr" of ${rule.label}`;
}

export function notAnAddressReason(address: string): string {
  return `${JSON.stringify(address.slice(0, 80))} is no IP address, so it cannot be judged. Expected the text of an IPv4 or IPv6 address.`;
}
