import type { AuditLog, VerdictRecord } from '../audit/types.ts';

/** How many verdicts of each kind fell since the start. */
export interface DecisionTally {
  allowed: number;
  denied: number;
  wouldDeny: number;
}

/** What the audit file should hold and does not. */
export interface AuditLosses {
  lines: number;
  /** Why, in the system's words. */
  fault: string | null;
}

/** An audit log that also counts its verdicts, for the one summary line of a run. */
export function tallied(audit: AuditLog): { audit: AuditLog; tally: Readonly<DecisionTally> } {
  const tally: DecisionTally = { allowed: 0, denied: 0, wouldDeny: 0 };
  const counting: AuditLog = {
    run: audit.run,
    get healthy() {
      return audit.healthy;
    },
    open(verdict: VerdictRecord) {
      if (verdict.verdict === 'allow') tally.allowed++;
      else if (verdict.verdict === 'deny') tally.denied++;
      else tally.wouldDeny++;
      return audit.open(verdict);
    },
    flush: () => audit.flush(),
    close: () => audit.close(),
  };
  return { audit: counting, tally };
}

/** `12 requests allowed, 3 denied`, with what enforcing would deny where there is any. */
export function tallyText(tally: Readonly<DecisionTally>): string {
  const parts = [`${tally.allowed} ${tally.allowed === 1 ? 'request' : 'requests'} allowed`];
  if (tally.wouldDeny > 0) parts.push(`${tally.wouldDeny} passed that enforcing would deny`);
  parts.push(`${tally.denied} denied`);
  return parts.join(', ');
}

/** Where the log of a run is, and what is missing in it: for the end of its summary line. */
export function logText(file: string, { lines, fault }: Readonly<AuditLosses>): string {
  if (lines === 0) return `log: ${file}`;
  const why = fault === null ? '' : ` (${fault})`;
  return `log: ${file}, which lacks ${lines} ${lines === 1 ? 'line' : 'lines'} that could not be written${why}; repair that, or use \`audit: { on_failure: deny }\` to allow nothing without a record`;
}
