import type { AuditLine } from './audit-line.ts';
import { printable } from './text.ts';
import type { VerdictWord } from './types.ts';

export interface Ranked {
  readonly name: string;
  readonly count: number;
}

export interface AuditSummary {
  /** milliseconds since 1970; null where there was no line */
  readonly first: number | null;
  readonly last: number | null;
  readonly requests: number;
  readonly verdicts: Readonly<Record<VerdictWord, number>>;
  /** requests that ended with an error */
  readonly errors: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly topHosts: readonly Ranked[];
  readonly topDenied: readonly Ranked[];
  readonly topRules: readonly Ranked[];
}

/** Hosts and rules that are told apart, so that a log of a million hosts fits into memory. */
const mostNames = 100_000;

/** Counts names up to a bound; those beyond it are counted as `(others)`. */
class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    const known = this.#counts.has(name) || this.#counts.size < mostNames;
    const key = known ? name : '(others)';
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  top(most: number): Ranked[] {
    return [...this.#counts]
      .map(([name, count]) => ({ name, count }))
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, most);
  }
}

/**
 * Adds lines up. A request counts once, by its `request` or `verdict` line; bytes and errors come from where it ended.
 * @param top how many hosts and rules to name
 */
export async function summarise(lines: AsyncIterable<AuditLine>, top = 10): Promise<AuditSummary> {
  const verdicts: Record<VerdictWord, number> = { allow: 0, deny: 0, 'would-deny': 0 };
  const hosts = new Tally();
  const denied = new Tally();
  const rules = new Tally();
  let first: number | null = null;
  let last: number | null = null;
  let requests = 0;
  let errors = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  for await (const line of lines) {
    first = Math.min(first ?? line.time, line.time);
    last = Math.max(last ?? line.time, line.time);
    if (line.outcome !== null) {
      bytesIn += line.outcome.bytesIn;
      bytesOut += line.outcome.bytesOut;
      if (line.outcome.error !== null) errors++;
    }
    if (line.event === 'end') continue;
    requests++;
    verdicts[line.verdict]++;
    const host = line.host ?? '(none)';
    hosts.add(host);
    if (line.verdict !== 'allow') denied.add(host);
    rules.add(line.rule === null ? '(none)' : `${line.rule.file}:${line.rule.line}`);
  }
  return {
    first,
    last,
    requests,
    verdicts,
    errors,
    bytesIn,
    bytesOut,
    topHosts: hosts.top(top),
    topDenied: denied.top(top),
    topRules: rules.top(top),
  };
}

/** The summary for a terminal, with line feeds. */
export function summaryText(summary: AuditSummary): string {
  const { verdicts, first, last } = summary;
  if (first === null || last === null) return 'no requests\n';
  const span = `${new Date(first).toISOString()} to ${new Date(last).toISOString()}`;
  return [
    `${summary.requests} requests, ${span}`,
    `  allowed ${verdicts.allow}, denied ${verdicts.deny}, would be denied ${verdicts['would-deny']}, failed ${summary.errors}`,
    `  ${summary.bytesIn} bytes from the client, ${summary.bytesOut} bytes to it`,
    ...ranking('top hosts', summary.topHosts),
    ...ranking('top denied (or would be)', summary.topDenied),
    ...ranking('top rules', summary.topRules),
    '',
  ].join('\n');
}

function ranking(title: string, ranked: readonly Ranked[]): string[] {
  if (ranked.length === 0) return [];
  return [title, ...ranked.map(({ name, count }) => `${String(count).padStart(9)}  ${printable(name)}`)];
}
