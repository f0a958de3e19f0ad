import type { KeptRequest } from '../../audit/kept-request.ts';
import type { DecisionCounters, RecentDecision } from '../../audit/recent-decisions.ts';
import { printable } from '../../audit/text.ts';
import type { AuditProtocol, VerdictWord } from '../../audit/types.ts';

/** A place in a policy. */
export interface RulePlace {
  readonly file: string;
  readonly line: number;
}

/** One request as the API tells it: the keys are those of the audit log. Every text is printable. */
export interface DecisionView {
  readonly id: string;
  /** RFC 3339 */
  readonly time: string;
  readonly protocol: AuditProtocol;
  readonly method: string | null;
  readonly url: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly address: string | null;
  readonly verdict: VerdictWord;
  readonly rule: RulePlace | null;
  readonly reason: string;
  readonly ended: boolean;
  readonly status: number | null;
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  readonly duration_ms: number | null;
  readonly error: string | null;
}

export interface CountersView {
  readonly allowed: number;
  readonly denied: number;
  readonly would_deny: number;
  readonly open: number;
  readonly failed: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
}

export function decisionView({ id, request, outcome, duration }: RecentDecision): DecisionView {
  return {
    id,
    ...requestView(request),
    ended: outcome !== null,
    status: outcome?.status ?? null,
    bytes_in: outcome?.bytesIn ?? null,
    bytes_out: outcome?.bytesOut ?? null,
    duration_ms: duration === null ? null : Math.round(duration * 1000) / 1000,
    error: shown(outcome?.error ?? null),
  };
}

/** What was asked for and what was said to it. */
export function requestView(request: KeptRequest) {
  const { time, protocol, port, verdict, rule } = request;
  return {
    time: new Date(time).toISOString(),
    protocol,
    method: shown(request.method),
    url: shown(request.url),
    host: shown(request.host),
    port,
    address: shown(request.address),
    verdict,
    rule: rule === null ? null : { file: printable(rule.file), line: rule.line },
    reason: printable(request.reason),
  };
}

export function countersView(counters: Readonly<DecisionCounters>): CountersView {
  const { allowed, denied, wouldDeny, open, failed, bytesIn, bytesOut } = counters;
  return { allowed, denied, would_deny: wouldDeny, open, failed, bytes_in: bytesIn, bytes_out: bytesOut };
}

function shown(text: string | null): string | null {
  return text === null ? null : printable(text);
}
