import type { AuditProtocol, VerdictWord } from '../audit/types.ts';
import type { Rule } from '../policy/types.ts';

export type UpstreamErrorKind =
  | 'resolve'
  | 'address-denied'
  | 'connect'
  | 'timeout'
  | 'certificate'
  | 'tls'
  | 'reset'
  | 'protocol'
  | 'proxy';

/** Counting calls of the data path: plain numbers inside, rendered by prom-client when scraped. Times in seconds. */
export interface Metrics {
  decision(verdict: VerdictWord, protocol: AuditProtocol, method: string | null, rule: Rule | null): void;
  decisionTime(seconds: number): void;
  connectTime(seconds: number): void;
  firstByteTime(seconds: number): void;
  totalTime(seconds: number): void;
  /** 'in': from the client; 'out': to the client. */
  bytes(direction: 'in' | 'out', count: number): void;
  upstreamError(kind: UpstreamErrorKind): void;
  connectionOpened(kind: 'client' | 'upstream' | 'tunnel'): void;
  connectionClosed(kind: 'client' | 'upstream' | 'tunnel'): void;
  dnsLookup(result: 'hit' | 'ok' | 'not-found' | 'failure', seconds: number): void;
  policyLoaded(hash: string, rules: number, mode: string): void;
  policyReload(result: 'ok' | 'refused'): void;
  /** `count`: lines, 1 unless told. */
  auditWritten(sink: string, count?: number): void;
  auditDropped(sink: string, reason: string, count: number): void;
}
