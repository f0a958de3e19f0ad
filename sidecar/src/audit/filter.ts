import type { AuditLine } from './audit-line.ts';
import type { AuditProtocol, VerdictWord } from './types.ts';

/** Which lines to keep; what is left out keeps all. Lists keep a line that any item matches. */
export interface AuditFilter {
  readonly verdicts?: readonly VerdictWord[];
  readonly protocols?: readonly AuditProtocol[];
  /** A host, where `*` stands for any characters: `*.github.com`, `10.*`. */
  readonly hosts?: readonly string[];
  /** `FILE:LINE`, or the end of it (`boundary.yaml:12`), or `none` for what no rule decided. */
  readonly rules?: readonly string[];
  /** milliseconds since 1970, the first that is kept */
  readonly since?: number;
  /** milliseconds since 1970, the first that is not kept any more */
  readonly until?: number;
}

/** Compiles a filter. */
export function auditFilter(filter: AuditFilter): (line: AuditLine) => boolean {
  const {
    verdicts,
    protocols,
    rules,
    since = Number.NEGATIVE_INFINITY,
    until = Number.POSITIVE_INFINITY,
  } = filter;
  const hosts = filter.hosts?.map(hostGlob);
  return (line) => {
    if (line.time < since || line.time >= until) return false;
    if (verdicts !== undefined && !verdicts.includes(line.verdict)) return false;
    if (protocols !== undefined && !protocols.includes(line.protocol)) return false;
    if (hosts !== undefined && !hosts.some((matches) => matches(line.host ?? ''))) return false;
    return rules === undefined || rules.some((wanted) => isRule(line.rule, wanted));
  };
}

/** Pieces between stars are looked for from left to right, so that no pattern is slow (a RegExp could be). */
function hostGlob(pattern: string): (host: string) => boolean {
  const pieces = pattern.toLowerCase().split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  const between = pieces.slice(1, -1);
  if (pieces.length === 1) return (host) => host === first;
  return (host) => {
    if (host.length < first.length + last.length || !host.startsWith(first) || !host.endsWith(last))
      return false;
    let at = first.length;
    for (const piece of between) {
      const found = host.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= host.length - last.length;
  };
}

function isRule(rule: AuditLine['rule'], wanted: string): boolean {
  if (rule === null) return wanted === 'none';
  const label = `${rule.file}:${rule.line}`;
  return label === wanted || label.endsWith(`/${wanted}`);
}

/**
 * A moment as people write it: an ISO 8601 date or time, or an age (`30s`, `15m`, `2h`, `7d`) before `now`.
 * @returns milliseconds since 1970, or null where it is neither
 */
export function parseMoment(text: string, now: number): number | null {
  const age = /^(\d{1,9})([smhd])$/.exec(text);
  if (age !== null) {
    const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[age[2] ?? ''] ?? 1000;
    return now - Number(age[1]) * unit;
  }
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}
