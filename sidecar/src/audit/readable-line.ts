import { maskUrl, withoutUserInfo } from './mask-url.ts';
import { printable } from './text.ts';
import type { AuditProtocol, Outcome, VerdictWord } from './types.ts';

/** From which importance on lines are shown; `error`: failed requests alone, `warn`: denials as well. */
export type ReadableLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a readable line tells, whether it comes from a request or from a line of the file. */
export interface ReadableFacts {
  /** milliseconds since 1970 */
  readonly time: number;
  readonly event: 'request' | 'verdict' | 'end';
  readonly protocol: AuditProtocol;
  readonly method: string | null;
  readonly url: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly verdict: VerdictWord;
  readonly rule: { readonly file: string; readonly line: number } | null;
  readonly reason: string;
  readonly outcome: Outcome | null;
  /** milliseconds */
  readonly duration: number | null;
}

const ranks: Record<ReadableLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };
const colours: Record<VerdictWord, number> = { allow: 32, deny: 31, 'would-deny': 33 };
const most = 300;

/** Whether a level shows these facts. `debug` adds the verdicts of requests that are still open. */
export function shows(level: ReadableLevel, facts: ReadableFacts): boolean {
  if (facts.outcome !== null && facts.outcome.error !== null) return true;
  const importance = facts.verdict === 'allow' ? (facts.event === 'verdict' ? 0 : 1) : 2;
  return importance >= ranks[level];
}

/**
 * One line for a person, with its line feed: time, verdict, request, status, duration, rule and, unless it was
 * allowed, the reason. Holds no character that a terminal would obey but the colours, where they are asked for.
 */
export function readableLine(facts: ReadableFacts, options: { colour: boolean; maskQuery: boolean }): string {
  const clock = new Date(facts.time).toISOString().slice(11, 23);
  const word = facts.verdict.toUpperCase().padEnd(10);
  const shown = options.colour ? `\u001b[${colours[facts.verdict]}m${word}\u001b[0m` : word;
  const place =
    facts.url ?? `${facts.protocol}://${facts.host ?? '?'}${facts.port === null ? '' : `:${facts.port}`}`;
  const parts = [clock, shown];
  if (facts.method !== null) parts.push(shortened(facts.method));
  parts.push(shortened(options.maskQuery ? maskUrl(place) : withoutUserInfo(place)));
  if (facts.event === 'verdict') parts.push('(open)');
  const { outcome } = facts;
  if (outcome !== null) {
    if (outcome.status !== null) parts.push(String(outcome.status));
    if (facts.duration !== null) parts.push(`${Math.round(facts.duration)}ms`);
    if (outcome.bytesIn + outcome.bytesOut > 0)
      parts.push(`${outcome.bytesIn}B in, ${outcome.bytesOut}B out`);
    if (outcome.error !== null) parts.push(`error=${shortened(outcome.error)}`);
  }
  if (facts.rule !== null) parts.push(`[${shortened(facts.rule.file)}:${facts.rule.line}]`);
  if (facts.verdict !== 'allow') parts.push(`- ${shortened(facts.reason)}`);
  return `${parts.join(' ')}\n`;
}

function shortened(text: string): string {
  return text.length <= most ? printable(text) : `${printable(text.slice(0, most))}...`;
}
