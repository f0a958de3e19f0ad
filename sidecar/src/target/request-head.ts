import { parseOverride } from './method.ts';
import { accept, quote, refuse } from './refusal.ts';
import type { Parsed } from './types.ts';

/** What the header section says that decides where a request goes, what it does and how long it is. */
export interface RequestHead {
  /** The value of the Host header, or null. */
  readonly host: string | null;
  readonly overrides: readonly string[];
  /** The one protocol of Upgrade, lower case, where Connection asks for it; else null. */
  readonly upgrade: string | null;
}

const NONE: readonly string[] = [];

/**
 * Reads the header section of an HTTP/1.1 request, strictly: everything that lets two readers see two requests
 * is 400. That is a second Host, Content-Length or Transfer-Encoding, both of the latter in one request, a coding
 * other than `chunked` (RFC 9112 section 6), and an upgrade to several protocols at once.
 * @param rawHeaders name, value, name, value ... as node:http has them
 */
export function readRequestHead(rawHeaders: readonly string[]): Parsed<RequestHead> {
  let host: string | null = null;
  let upgrade: string | null = null;
  let asksUpgrade = false;
  let length: string | null = null;
  let coding: string | null = null;
  let overrides: string[] | null = null;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    // The length of a name settles nearly all of them without a copy in lower case.
    if (!DECIDING_LENGTHS.has(name.length)) continue;
    const value = rawHeaders[i + 1] as string;
    const lower = name.toLowerCase();
    // CGI and its heirs see no difference between the two (RFC 3875 section 4.1.18).
    switch (lower.startsWith('x') ? lower.replaceAll('_', '-') : lower) {
      case 'host':
        if (host !== null) return refuse(400, 'The request has more than one Host header. Send one.');
        host = value;
        break;
      case 'upgrade':
        if (upgrade !== null || value.includes(',')) {
          return refuse(400, 'The request asks to upgrade to more than one protocol. Ask for one.');
        }
        upgrade = value.trim().toLowerCase();
        break;
      case 'connection':
        asksUpgrade ||= /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(value);
        break;
      case 'content-length':
        if (length !== null || !/^[0-9]{1,15}$/.test(value)) return refuseLength(value);
        length = value;
        break;
      case 'transfer-encoding':
        if (coding !== null || value.toLowerCase() !== 'chunked') return refuseCoding(value);
        coding = value;
        break;
      case 'x-http-method':
      case 'x-method-override':
      case 'x-http-method-override': {
        const override = parseOverride(lower, value);
        if (!override.ok) return override;
        overrides ??= [];
        overrides.push(override.value);
      }
    }
  }
  if (length !== null && coding !== null) {
    return refuse(400, 'The request has both Content-Length and Transfer-Encoding. Send one of them.');
  }
  return accept({ host, overrides: overrides ?? NONE, upgrade: asksUpgrade ? upgrade : null });
}

const DECIDING_LENGTHS: ReadonlySet<number> = new Set(
  [
    'host',
    'upgrade',
    'connection',
    'content-length',
    'transfer-encoding',
    'x-http-method',
    'x-method-override',
    'x-http-method-override',
  ].map((name) => name.length),
);

function refuseLength(value: string) {
  return refuse(
    400,
    `The Content-Length ${quote(value)} is repeated or no number. Send one, in decimal digits.`,
  );
}

function refuseCoding(value: string) {
  return refuse(
    400,
    `The Transfer-Encoding ${quote(value)} is repeated or not "chunked", the only one understood here.`,
  );
}
