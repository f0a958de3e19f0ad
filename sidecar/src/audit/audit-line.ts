import { asObject } from './json-object.ts';
import type { AuditProtocol, Outcome, VerdictWord } from './types.ts';

/** One line of a request, as read from a file. Keys that a later version may add are not kept. */
export interface AuditLine {
  /** milliseconds since 1970 */
  readonly time: number;
  readonly run: string;
  readonly seq: number;
  readonly event: 'request' | 'verdict' | 'end';
  readonly workspace: string | null;
  readonly owner: string | null;
  readonly protocol: AuditProtocol;
  readonly method: string | null;
  readonly url: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly address: string | null;
  readonly claimed: readonly string[];
  readonly verdict: VerdictWord;
  readonly rule: { readonly file: string; readonly line: number } | null;
  readonly reason: string;
  /** Null on a `verdict` line. */
  readonly outcome: Outcome | null;
  /** milliseconds; null on a `verdict` line */
  readonly duration: number | null;
}

/** A `dropped` line: so many lines are missing before it. */
export interface DroppedLine {
  readonly event: 'dropped';
  readonly time: number;
  readonly count: number;
  readonly reason: string;
}

const protocols: readonly string[] = ['http', 'https', 'tls', 'tcp', 'dns'] satisfies AuditProtocol[];
const verdicts: readonly string[] = ['allow', 'deny', 'would-deny'] satisfies VerdictWord[];

/** Reads one line; null for what is not an audit line of a version we know. Never throws. */
export function parseAuditLine(text: string): AuditLine | DroppedLine | null {
  const line = asObject(text);
  if (line === null || line.version !== 1) return null;
  const { event } = line;
  const time = Date.parse(String(line.time));
  if (Number.isNaN(time)) return null;
  if (event === 'dropped') {
    return { event, time, count: number(line.count) ?? 0, reason: string(line.reason) ?? '' };
  }
  const run = string(line.run);
  const seq = number(line.seq);
  const known = event === 'request' || event === 'verdict' || event === 'end';
  if (!known || run === null || seq === null || !isProtocol(line.protocol) || !isVerdict(line.verdict))
    return null;
  return {
    time,
    run,
    seq,
    event,
    workspace: string(line.workspace),
    owner: string(line.owner),
    protocol: line.protocol,
    method: string(line.method),
    url: string(line.url),
    host: string(line.host),
    port: number(line.port),
    address: string(line.address),
    claimed: Array.isArray(line.claimed) ? line.claimed.map(String) : [],
    verdict: line.verdict,
    rule: rule(line.rule),
    reason: string(line.reason) ?? '',
    outcome:
      event === 'verdict'
        ? null
        : {
            status: number(line.status),
            bytesIn: number(line.bytes_in) ?? 0,
            bytesOut: number(line.bytes_out) ?? 0,
            error: string(line.error),
          },
    duration: number(line.duration_ms),
  };
}

function isProtocol(value: unknown): value is AuditProtocol {
  return typeof value === 'string' && protocols.includes(value);
}

function isVerdict(value: unknown): value is VerdictWord {
  return typeof value === 'string' && verdicts.includes(value);
}

function string(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function rule(value: unknown): { file: string; line: number } | null {
  if (typeof value !== 'object' || value === null || !('file' in value) || !('line' in value)) return null;
  const { file, line } = value;
  return typeof file === 'string' && typeof line === 'number' ? { file, line } : null;
}
