import type { Decision, Injection, Policy, Rule } from '../policy/types.ts';
import { authorityOf, defaultPort } from '../target/target-text.ts';
import type { HttpTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import type { Denial } from './denial.ts';
import { type ForwardedRequest, forwardRequest } from './forwarded-headers.ts';
import { bodyLimit } from './rule-limits.ts';
import { askForUpgrade } from './upgrade-headers.ts';
import type { Passed } from './verdict.ts';

export const NO_RULES: readonly Rule[] = [];
export const NO_INJECTIONS: readonly Injection[] = [];

/** What of a request is known before its body. */
export interface RequestFacts {
  readonly rawHeaders: readonly string[];
  readonly http2: boolean;
  /** HTTP/2 said with the headers that there is no body. */
  readonly ended: boolean;
}

/** A request that may be sent: what goes upstream, and what is counted and cut. */
export interface Admission {
  readonly forwarded: ForwardedRequest;
  readonly injections: readonly Injection[];
  readonly hasBody: boolean;
  /** The rules whose running requests count this one, until it is released. */
  readonly limited: readonly Rule[];
  /** octets */
  readonly requestLimit: number;
  /** octets */
  readonly responseLimit: number;
}

/**
 * The last questions before a request is sent: what the rules inject, what they limit, and whether its framing fits
 * its purpose. Takes one request from each limit, which is to be released when the request ends.
 * @param addresses those that may be dialled; none where a corporate proxy resolves
 */
export function admit(
  core: ProxyCore,
  policy: Policy,
  facts: RequestFacts,
  target: HttpTarget,
  { decision, word }: Passed,
  addresses: readonly string[],
): Admission | Denial {
  const { rule } = decision;
  const limited = decision.allows.some(({ spec }) => spec.limits !== undefined) ? decision.allows : NO_RULES;
  const injections =
    word === 'allow' && target.scheme === 'https'
      ? injectionsAt(policy, target, decision, addresses)
      : NO_INJECTIONS;
  if (injections.length > 0 && target.method === 'TRACE') {
    const reason = 'TRACE would echo a header that the policy injects. Use another method.';
    return { status: 403, reason, rule };
  }
  const forwarded = forwardRequest(facts.rawHeaders, hostHeader(target), injections, facts.http2);
  if (forwarded.expect !== null && forwarded.expect.toLowerCase() !== '100-continue') {
    const reason = 'The only expectation that can be met is "100-continue" (RFC 9110 section 10.1.1).';
    return { status: 417, reason, rule: null };
  }
  if (target.upgrade !== null) {
    if (target.upgrade === 'h2c') {
      // The rules refuse it as well, but not in mode `audit`.
      const reason =
        'An upgrade to h2c never passes: its requests could not be judged. Use HTTP/1.1, or TLS.';
      return { status: 403, reason, rule: null };
    }
    if (forwarded.hasBody) {
      const reason = 'A request that asks for an upgrade came with a body. Send it without.';
      return { status: 400, reason, rule: null };
    }
    askForUpgrade(forwarded.headers, target.upgrade, facts.http2);
  }
  const requestLimit = bodyLimit(limited, 'requestBody');
  if ((forwarded.contentLength ?? 0) > requestLimit) {
    const reason = `The body has ${forwarded.contentLength} bytes, the policy allows ${requestLimit}.`;
    return { status: 413, reason, rule };
  }
  const tooMany = core.limits.take(limited);
  if (tooMany !== null) return { status: 429, ...tooMany };
  const hasBody = target.upgrade === null && (facts.http2 ? !facts.ended : forwarded.hasBody);
  return {
    forwarded,
    injections,
    hasBody,
    limited,
    requestLimit,
    responseLimit: bodyLimit(limited, 'responseBody'),
  };
}

/**
 * The headers of the rules that hold for every address that may be dialled: a secret goes nowhere its own rule would
 * not.
 */
function injectionsAt(
  policy: Policy,
  target: HttpTarget,
  decision: Decision,
  addresses: readonly string[],
): readonly Injection[] {
  if (policy.injections(target, decision).length === 0) return NO_INJECTIONS;
  const allows = decision.allows.filter((rule) => {
    const alone = { allowed: true, rule, reason: '', allows: [rule] };
    return addresses.every((address) => policy.judgeAddress(target, alone, address).allowed);
  });
  return policy.injections(target, { ...decision, allows });
}

/** What the upstream is told: the target's own host, whatever spelling the client had for it. */
function hostHeader(target: HttpTarget): string {
  const authority = authorityOf(target);
  return target.port === defaultPort(target.scheme)
    ? authority.slice(0, authority.lastIndexOf(':'))
    : authority;
}
