import { readAddress } from '../policy/address.ts';
import { classOf } from '../policy/address-class.ts';
import type { AddressDecision, Decision, Policy, Rule } from '../policy/types.ts';
import { ResolveError } from '../resolver/resolve-error.ts';
import type { Target } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import type { Denial } from './denial.ts';

/** The rules let a target through, or mode `audit` does in their place. */
export interface Passed {
  readonly word: 'allow' | 'would-deny';
  readonly decision: Decision;
}

/** The rules' verdict, before any name is looked up. */
export function judgeRules(core: ProxyCore, policy: Policy, target: Target): Passed | Denial {
  const { audit, metrics } = core.options;
  if (policy.onAuditFailure === 'deny' && !audit.healthy) {
    const reason =
      'No audit sink can take a record, and the policy says audit.on_failure: deny. Repair the sink.';
    return { status: 403, reason, rule: null };
  }
  const before = performance.now();
  const decision = policy.decide(target);
  metrics.decisionTime((performance.now() - before) / 1000);
  if (decision.allowed) return { word: 'allow', decision };
  if (policy.mode === 'audit') return { word: 'would-deny', decision: { ...decision, allows: [] } };
  return ruledOut(decision);
}

/** The denial that a verdict of the rules comes to. */
export function ruledOut({ reason, rule, remedy }: Decision | AddressDecision): Denial {
  return { status: 403, reason, rule, ...(remedy !== undefined && { remedy }) };
}

/** Addresses that may be dialled, in order; empty only where a corporate proxy resolves. */
export interface Reachable {
  readonly word: Passed['word'];
  readonly addresses: readonly string[];
  readonly rule: Rule | null;
  readonly reason: string;
}

/**
 * Judges each address. The refused are left out; where none is left, the first refusal is the answer. Mode `audit`
 * relaxes what rules say of an address, but opens no special one.
 */
export function judgeAddresses(
  core: ProxyCore,
  policy: Policy,
  target: Target,
  { word, decision }: Passed,
  addresses: readonly string[],
): Reachable | Denial {
  const allowed: string[] = [];
  const relaxed: string[] = [];
  let rule = decision.rule;
  let reason = decision.reason;
  let refused: Denial | null = null;
  for (const address of addresses) {
    if (core.isOwn(address, target.port)) {
      refused ??= { status: 403, reason: 'This is an address of boundary itself.', rule: null, address };
      continue;
    }
    const judged = policy.judgeAddress(target, decision, address);
    if (judged.allowed) {
      if (allowed.length === 0 && judged.rule !== null) ({ rule, reason } = judged);
      allowed.push(address);
    } else {
      refused ??= { ...ruledOut(judged), address };
      if (policy.mode === 'audit' && isOrdinary(address)) relaxed.push(address);
    }
  }
  if (allowed.length > 0) return { word, addresses: allowed, rule, reason };
  if (refused !== null && relaxed.length > 0)
    return { word: 'would-deny', addresses: relaxed, rule: refused.rule, reason: refused.reason };
  return refused ?? { status: 502, reason: `${target.host} has no address.`, rule: null };
}

/**
 * The addresses to judge: at once where they are known, null where a lookup has to be waited for.
 * A name behind a corporate proxy has none here.
 */
export function knownAddresses(core: ProxyCore, target: Target): readonly string[] | null {
  if (target.hostKind !== 'name') return [target.host];
  return core.options.resolver.cached(target.host) ?? null;
}

/** Whether names are resolved by somebody else, so that there is nothing to judge but the name. */
export function resolvedElsewhere(core: ProxyCore, target: Target): boolean {
  return core.options.chained === true && target.hostKind === 'name';
}

/** What a failed lookup is answered with. Nothing was dialled. */
export function lookupDenial(target: Target, error: unknown): Denial {
  // The resolver's own errors name the host and say what to do.
  if (error instanceof ResolveError)
    return { status: error.kind === 'timeout' ? 504 : 502, reason: error.message, rule: null };
  const found = error instanceof Error ? error.message : String(error);
  return { status: 502, reason: `The lookup of ${target.host} failed: ${found}`, rule: null };
}

/**
 * Whether a target that was let through would be refused by `policy` now.
 * @param addresses those that may be dialled; none where a corporate proxy resolves
 * @param dialled the one of them that is connected, null before; or a corporate proxy's own, which nobody judges
 */
export function refusedNow(
  policy: Policy,
  target: Target,
  addresses: readonly string[],
  dialled: string | null,
): boolean {
  const decision = policy.decide(target);
  const relaxed = policy.mode === 'audit';
  if (!decision.allowed && !relaxed) return true;
  const judged = decision.allowed ? decision : { ...decision, allows: [] };
  const reached = dialled !== null && addresses.includes(dialled) ? [dialled] : addresses;
  return reached.some(
    (address) => !policy.judgeAddress(target, judged, address).allowed && !(relaxed && isOrdinary(address)),
  );
}

/** Whether an address belongs to no special class, so that only rules speak of it. */
function isOrdinary(text: string): boolean {
  const address = readAddress(text);
  return address !== null && classOf(address) === null;
}

export function isDenial(value: object): value is Denial {
  return 'status' in value;
}
