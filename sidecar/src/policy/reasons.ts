import { authorityOf, originOf } from '../target/target-text.ts';
import type { Endpoint, Target } from '../target/types.ts';
import type { AddressClass } from './address-class.ts';
import type { Rule } from './types.ts';

/** Longest part of a path that a reason repeats. */
const LONGEST_PATH = 120;
/** Said to people and agents alike, whatever was denied. */
const NO_WAY_AROUND = 'This is a decision, not a fault: do not look for a way around it.';

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
  return `The rule at ${rule.label} denies ${asked}${own}. ${NO_WAY_AROUND} If it is needed, ask the owner of the policy to change that rule.`;
}

/** `near` is an allow rule about the same host that asks for something else. */
export function noRuleReason(asked: string, needed: string, near: Rule | null): string {
  const missed =
    near === null ? '' : ` The rule at ${near.label} is about this host, but not about such a request.`;
  return `No rule allows ${asked}.${missed} ${NO_WAY_AROUND} If it is needed, ask the owner of the policy to add ${needed} to "allow".`;
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
  return `${what} a special address (${special.name})${by}. ${NO_WAY_AROUND} If it is needed, ask the owner of the policy to add ${openingText(endpoint, address, special)}.`;
}

export function outsideCidrReason(endpoint: Endpoint, address: string, rule: Rule): string {
  return `${endpoint.host} resolves to ${address}, which is outside the "cidr" of ${rule.label}. ${NO_WAY_AROUND} If it is needed, ask the owner of the policy to widen that rule.`;
}

export function notAnAddressReason(address: string): string {
  return `${JSON.stringify(address.slice(0, 80))} is no IP address, so it cannot be judged. Expected the text of an IPv4 or IPv6 address.`;
}

function openingText(endpoint: Endpoint, address: string, special: AddressClass): string {
  const alone = `"cidr: ${address}/${address.includes(':') ? 128 : 32}"`;
  if (endpoint.host === address) return `a rule with ${alone}`;
  return special.opening === 'cidr-or-private'
    ? `"private: true" or ${alone} to the rule for ${endpoint.host}`
    : `${alone} to the rule for ${endpoint.host}`;
}
