import { allowedReason } from './reasons.ts';
import type { AddressDecision, Decision, Rule } from './types.ts';

/** `allows` is in the order of the file and not empty. */
export function allowedBy(allows: readonly Rule[]): Decision {
  const rule = allows[0] ?? null;
  return { allowed: true, rule, reason: rule === null ? '' : allowedReason(rule), allows };
}

export function denied(rule: Rule | null, reason: string, remedy?: string): Decision {
  return { allowed: false, rule, reason, ...(remedy !== undefined && { remedy }), allows: [] };
}

/** What an allow rule says of an address that it reaches. */
export function addressAllowedBy(rule: Rule): AddressDecision {
  return { allowed: true, rule, reason: allowedReason(rule) };
}

export function addressDenied(rule: Rule | null, reason: string, remedy?: string): AddressDecision {
  return { allowed: false, rule, reason, ...(remedy !== undefined && { remedy }) };
}
