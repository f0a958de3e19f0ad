import type { DeniedPlace } from '../../audit/denied-places.ts';
import type { KeptRequest } from '../../audit/kept-request.ts';
import { printable } from '../../audit/text.ts';
import type { AuditProtocol, VerdictWord } from '../../audit/types.ts';
import { explain } from '../../policy/explain.ts';
import { ruleText } from '../../policy/smallest-rule.ts';
import type { Policy } from '../../policy/types.ts';
import { parseAddress, parseHost } from '../../target/host.ts';
import type { Target, TunnelTarget } from '../../target/types.ts';
import { writtenTarget } from '../../target/written-target.ts';
import { type RulePlace, requestView } from './decision-view.ts';

/** What the policy in force would have to say for a denied request to pass. */
export interface Remedy {
  /** What the policy in force says now, which may be another than the one that denied. */
  readonly now: 'allow' | 'deny';
  /** What the people who keep the policy could change, for them to read; null where no change of a policy would do. */
  readonly change: string | null;
  /** The smallest rule that would allow it, as YAML to paste below `allow`; null where none would. */
  readonly allow_rule: string | null;
  /** A rule for the whole host, where it is another. */
  readonly allow_host_rule: string | null;
}

/** A place as the API tells it. Every text is printable. */
export interface DeniedView extends Remedy {
  readonly protocol: AuditProtocol;
  readonly host: string;
  readonly port: number | null;
  readonly count: number;
  /** Whether there may have been more than `count`. */
  readonly at_least: boolean;
  readonly last: {
    readonly id: string;
    readonly time: string;
    readonly method: string | null;
    readonly url: string | null;
    readonly verdict: VerdictWord;
    readonly rule: RulePlace | null;
    readonly reason: string;
  };
}

export function deniedView(policy: Policy, run: string, place: DeniedPlace): DeniedView {
  const { time, method, url, verdict, rule, reason } = requestView(place.last);
  return {
    protocol: place.protocol,
    host: printable(place.host),
    port: place.port,
    count: place.count,
    at_least: place.atLeast,
    last: { id: `${run}-${place.last.seq}`, time, method, url, verdict, rule, reason },
    ...remedyOf(policy, place.last),
  };
}

/** What would let a request pass that was denied. Nothing is looked up. */
export function remedyOf(policy: Policy, request: KeptRequest): Remedy {
  const target = targetOf(policy, request);
  // What became no target is refused whatever the rules.
  if (target === null) return { ...allowedNow, now: 'deny' };
  if (isReadNow(policy, target)) return allowedNow;
  const { verdict, change, addition } = explain(policy, target);
  const refused = addressRefusal(policy, target, request);
  if (verdict === 'allow') {
    // The rules allow the name; what none of them opens is the address that it had.
    return refused === null ? allowedNow : { ...allowedNow, now: 'deny', change: printable(refused.remedy) };
  }
  if (addition === null || refused?.byRule === true) {
    const told = addition === null ? change : (refused?.remedy ?? change);
    return { ...allowedNow, now: 'deny', change: printable(told) };
  }
  // A name with a special address needs a rule that opens that one too.
  const opened = (rule: string) => (refused === null ? rule : withAddress(rule, target, request));
  const whole = opened(ruleText(target, true));
  // On a port of the web, a rule for the web is what is missing, not one for opaque bytes.
  const smallest = isWholeHost(target, request) ? whole : opened(addition);
  return {
    now: 'deny',
    change: printable(`add to "allow": ${smallest}`),
    allow_rule: printable(smallest),
    allow_host_rule: smallest === whole ? null : printable(whole),
  };
}

const allowedNow: Remedy = { now: 'allow', change: null, allow_rule: null, allow_host_rule: null };

/** Why the address that the name had is refused, apart from what the rules say of the name; null where it is not. */
function addressRefusal(policy: Policy, target: Target, { address }: KeptRequest) {
  if (address === null) return null;
  const { allowed, rule, remedy } = policy.judgeAddress(target, policy.decide(target), address);
  return allowed || remedy === undefined ? null : { byRule: rule?.effect === 'deny', remedy };
}

/** The same rule, for that address of the name as well. A rule about an address has it already. */
function withAddress(rule: string, { host, hostKind }: Target, { address }: KeptRequest): string {
  if (hostKind !== 'name' || address === null) return rule;
  const cidr = `${address}/${address.includes(':') ? 128 : 32}`;
  return rule.replace(`domain: ${host}`, () => `domain: ${host}, cidr: "${cidr}"`);
}

/** What was asked for, as the policy judges it; null where nothing can be made of it. */
function targetOf(policy: Policy, request: KeptRequest): Target | null {
  const { protocol, host, port, method } = request;
  if (host === null) return null;
  const endpoint = parseAddress(host) ?? hostOf(host);
  if (endpoint === null) return null;
  if (protocol === 'dns') return { kind: 'tunnel', protocol: 'tls', ...endpoint, port: 443 };
  if (port === null) return null;
  if (protocol === 'tls' || protocol === 'tcp') {
    const tunnel: TunnelTarget = { kind: 'tunnel', protocol, ...endpoint, port };
    return closedToTheWeb(policy, tunnel) ? { ...tunnel, protocol: 'tls' } : tunnel;
  }
  const url = request.askedUrl();
  if (url !== null) {
    const written = writtenTarget(method ?? 'GET', url);
    return written.ok ? written.value : null;
  }
  // Too long to be kept: a rule about the host is what can be named.
  return { kind: 'tunnel', protocol: 'tls', ...endpoint, port };
}

/** Whether nothing is allowed on that port of the web, so that no byte of the connection is read. */
function closedToTheWeb(policy: Policy, { protocol, ...endpoint }: TunnelTarget): boolean {
  return protocol === 'tcp' && isWebPort(endpoint.port) && policy.treat(endpoint).kind === 'deny';
}

/**
 * Whether the bytes of such a connection to a port of the web would be read now. What was refused then was the want of a
 * rule, or what is no web at all: a rule for opaque bytes is not to be recommended for it.
 */
function isReadNow(policy: Policy, target: Target): boolean {
  if (target.kind !== 'tunnel' || target.protocol !== 'tcp' || !isWebPort(target.port)) return false;
  return policy.treat(target).kind === 'sniff';
}

function isWebPort(port: number): boolean {
  return port === 80 || port === 443;
}

/** Whether the target stands for the whole host, since what was really asked for is not known. */
function isWholeHost(target: Target, { protocol, port }: KeptRequest): boolean {
  return target.kind === 'tunnel' && target.protocol === 'tls' && (protocol !== 'tls' || port === 80);
}

function hostOf(text: string) {
  const host = parseHost(text);
  return host.ok ? host.value : null;
}
