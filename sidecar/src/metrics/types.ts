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

export type DnsQuestionResult = 'answered' | 'empty' | 'refused' | 'malformed' | 'full';

/** Counting calls of a sidecar with a gate. Without any of them its metrics are absent. */
export interface GateMetrics {
  /** Whether the gate's sockets are held now. Call it with false at start, so that a gate that never comes is seen. */
  gateConnected(connected: boolean): void;
  /** The gate handed its sockets over once more. */
  gateHandover(): void;
  /** 'empty': a name or type without data; 'full': no address is left for another name. */
  dnsQuestion(result: DnsQuestionResult): void;
}

/** Counting calls of the data path: plain numbers inside, rendered by prom-client when scraped. Times in seconds. */
export interface Metrics extends GateMetrics {
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
  /** A sink is there: its series begin at 0, so that a rate sees its first loss as well. */
  auditSink(sink: string, dropReasons: readonly string[]): void;
  /** `count`: lines, 1 unless told. */
  auditWritten(sink: string, count?: number): void;
  auditDropped(sink: string, reason: string, count: number): void;
  /** What the workspace says of itself, by check; true: found missing or open. Names that are no check are left out. */
  doctorFindings(findings: Readonly<Record<string, boolean>>): void;
}
