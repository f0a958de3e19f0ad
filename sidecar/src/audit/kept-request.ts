import { maskUrl } from './mask-url.ts';
import type { AuditProtocol, VerdictRecord, VerdictWord } from './types.ts';

/** Most characters that are kept of a text; what a request can be made of is bounded elsewhere, and far larger. */
const limits = { url: 2048, reason: 1024, host: 512, method: 64 } as const;

/** What is remembered of one request. It is filled again and again, so that remembering makes no garbage. */
export class KeptRequest {
  /** Its number within the run; 0 in one that was never filled. */
  seq = 0;
  /** milliseconds since 1970 */
  time = 0;
  protocol: AuditProtocol = 'tcp';
  method: string | null = null;
  host: string | null = null;
  port: number | null = null;
  /** The address that was dialled or judged, where it is known. */
  address: string | null = null;
  verdict: VerdictWord = 'deny';
  rule: { readonly file: string; readonly line: number } | null = null;
  reason = '';
  #url: string | null = null;
  #whole = true;

  /** @param time milliseconds since 1970 */
  fill(record: VerdictRecord, seq: number, time: number): void {
    const { url, rule } = record;
    this.seq = seq;
    this.time = time;
    this.protocol = record.protocol;
    this.method = record.method === null ? null : kept(record.method, limits.method);
    this.host = record.host === null ? null : kept(record.host, limits.host);
    this.port = record.port;
    this.address = record.address;
    this.verdict = record.verdict;
    // Not the rule itself, which may hold the secret that it injects.
    this.rule = rule === null ? null : { file: rule.file, line: rule.line };
    this.reason = kept(record.reason, limits.reason);
    this.#whole = url === null || url.length <= limits.url;
    // Masked before it is cut: the cut may fall before what shows that something is to be masked.
    this.#url = url === null || this.#whole ? url : kept(maskUrl(url), limits.url);
  }

  /** The URL with its query values masked, as in the audit log; long ones are cut. */
  get url(): string | null {
    return this.#url === null ? null : maskUrl(this.#url);
  }

  /**
   * The URL as it was asked for, its query included: to be judged once more, never to be shown. Null where there was
   * none or it was too long to be kept.
   */
  askedUrl(): string | null {
    return this.#whole ? this.#url : null;
  }

  /** Makes this a copy of another, so that the other may be filled again. */
  copy(from: KeptRequest): this {
    this.seq = from.seq;
    this.time = from.time;
    this.protocol = from.protocol;
    this.method = from.method;
    this.host = from.host;
    this.port = from.port;
    this.address = from.address;
    this.verdict = from.verdict;
    this.rule = from.rule;
    this.reason = from.reason;
    this.#url = from.#url;
    this.#whole = from.#whole;
    return this;
  }
}

/** A text of at most `limit` characters. One that is cut is copied: a slice would keep the whole text in memory. */
function kept(text: string, limit: number): string {
  return text.length <= limit ? text : `${Buffer.from(text.slice(0, limit).toWellFormed()).toString()}...`;
}
