import type { Rule } from '../policy/types.ts';
import { maskUrl, withoutUserInfo } from './mask-url.ts';
import { asciiJson } from './text.ts';
import type { Outcome, VerdictRecord } from './types.ts';

/** The version of the line format; raised when a key changes its meaning or goes. New keys do not raise it. */
export const auditVersion = 1;

/** No line is longer, its line feed included. The limits of the single fields add up to less. */
export const maxLineBytes = 32 * 1024;

/** Most characters of a field, as escaped. */
const limits = {
  url: 16_384,
  reason: 4096,
  file: 1024,
  host: 512,
  claimed: 512,
  address: 64,
  method: 64,
  error: 256,
  owner: 256,
} as const;
const maxClaimed = 8;

/** Who the lines are about. */
export interface LineContext {
  readonly run: string;
  readonly workspace?: string | undefined;
  readonly owner?: string | undefined;
  /** false: query values are written as they came */
  readonly maskQuery: boolean;
}

/** One request as its lines tell it. */
export interface LineFacts {
  readonly seq: number;
  readonly record: VerdictRecord;
  /** The address that was dialled, or the one that was judged. */
  readonly dialled: string | null;
}

/** Builds audit lines: one JSON object of ASCII each, with its line feed. Pure but for its caches. */
export class LineBuilder {
  readonly #run: string;
  readonly #who: string;
  readonly #maskQuery: boolean;
  readonly #rules = new WeakMap<Rule, string>();
  #second = Number.NaN;
  #secondText = '';
  #cut: string[] = [];

  constructor(context: LineContext) {
    this.#run = context.run;
    this.#maskQuery = context.maskQuery;
    const { workspace, owner } = context;
    this.#who =
      (workspace === undefined ? '' : `,"workspace":${asciiJson(workspace, limits.owner).json}`) +
      (owner === undefined ? '' : `,"owner":${asciiJson(owner, limits.owner).json}`);
  }

  /** The verdict alone, of a request that is still open. @param time milliseconds since 1970 */
  verdict(time: number, facts: LineFacts): string {
    return `${this.#verdict('verdict', time, facts)}${this.#end()}`;
  }

  /**
   * A request that ended: `request` where no line was written before, `end` after a `verdict` line.
   * @param time milliseconds since 1970
   * @param duration milliseconds from verdict to end
   */
  outcome(
    event: 'request' | 'end',
    time: number,
    facts: LineFacts,
    outcome: Outcome,
    duration: number,
  ): string {
    const verdict = this.#verdict(event, time, facts);
    const error = outcome.error === null ? 'null' : this.#quote('error', outcome.error, limits.error);
    return `${verdict},"status":${numeral(outcome.status)},"bytes_in":${numeral(outcome.bytesIn)},"bytes_out":${numeral(
      outcome.bytesOut,
    )},"duration_ms":${numeral(Math.round(duration * 1000) / 1000)},"error":${error}${this.#end()}`;
  }

  /** How many lines a sink could not take, written once it takes lines again. */
  dropped(time: number, sink: string, reason: string, count: number): string {
    return `${this.#start('dropped', time, null)},"sink":"${sink}","count":${count},"reason":"${reason}"}\n`;
  }

  #verdict(event: string, time: number, facts: LineFacts): string {
    const { record, seq, dialled } = facts;
    const url =
      record.url === null ? null : this.#maskQuery ? maskUrl(record.url) : withoutUserInfo(record.url);
    return `${this.#start(event, time, seq)},"protocol":"${record.protocol}","method":${this.#text(
      'method',
      record.method,
    )},"url":${this.#text('url', url)},"host":${this.#text('host', record.host)},"port":${numeral(
      record.port,
    )},"address":${this.#text('address', dialled)}${
      record.claimed.length === 0 ? '' : this.#claimed(record.claimed)
    },"verdict":"${record.verdict}","rule":${
      record.rule === null ? 'null' : this.#rule(record.rule)
    },"reason":${this.#quote('reason', record.reason, limits.reason)}`;
  }

  #start(event: string, time: number, seq: number | null): string {
    const second = Math.floor(time / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const millisecond = String(Math.floor(time - second * 1000)).padStart(3, '0');
    const numbered = seq === null ? '' : `,"seq":${seq}`;
    return `{"version":${auditVersion},"time":"${this.#secondText}${millisecond}Z","run":"${
      this.#run
    }"${numbered},"event":"${event}"${this.#who}`;
  }

  #end(): string {
    if (this.#cut.length === 0) return '}\n';
    const cut = JSON.stringify([...new Set(this.#cut)]);
    this.#cut = [];
    return `,"truncated":${cut}}\n`;
  }

  #text(field: 'method' | 'url' | 'host' | 'address', text: string | null): string {
    return text === null ? 'null' : this.#quote(field, text, limits[field]);
  }

  #quote(field: string, text: string, limit: number): string {
    const { json, cut } = asciiJson(text, limit);
    if (cut) this.#cut.push(field);
    return json;
  }

  #claimed(claimed: readonly string[]): string {
    const names = claimed.slice(0, maxClaimed).map((name) => this.#quote('claimed', name, limits.claimed));
    if (claimed.length > maxClaimed) this.#cut.push('claimed');
    return `,"claimed":[${names.join(',')}]`;
  }

  #rule(rule: Rule): string {
    let json = this.#rules.get(rule);
    if (json === undefined) {
      json = `{"file":${asciiJson(rule.file, limits.file).json},"line":${numeral(rule.line)}}`;
      this.#rules.set(rule, json);
    }
    return json;
  }
}

function numeral(value: number | null): string {
  return value !== null && Number.isFinite(value) ? String(value) : 'null';
}
