import { accept, quote, refuse } from './refusal.ts';
import type { Parsed } from './types.ts';

/** What a path may hold as it is: RFC 3986 pchar without `%`, the slash, and brackets, which clients leave raw. */
const PLAIN = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/[\]]*$/;
const UNRESERVED = /[A-Za-z0-9\-._~]/;
/** Octets that no URI may hold raw (RFC 3986 appendix A) but clients send: they are escaped. */
const ILLEGAL_RAW = /["<>^`{|}\x80-\xff]/g;
/** Control characters, the space, the backslash, a fragment, a query, and what is no octet at all. */
const REFUSED_RAW = /[^\x21-\xff]|[\x7f\\#?]/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
/** Escaped controls, DEL and backslash; and the overlong UTF-8 spellings of `.`, `/` and `\`. */
const REFUSED_ESCAPE = /%(?:[01][0-9A-F]|7F|5C|C0%A[EF]|C1%9C)/;
/** A segment that is `.` or `..`, its parameters aside; `/` has its escaped forms as well. */
const DOT_SEGMENT = /(?:^|\/|%2F)\.{1,2}(?:;|%3B|\/|%2F|$)/i;

/**
 * A path after the normalisation of RFC 3986 section 6.2.2: hex in upper case, unreserved octets decoded, octets
 * that no URI may hold escaped. `%2F` stays inside its segment, repeated slashes stay. The result is matched,
 * logged and sent upstream; applied again it does not change.
 *
 * 400 for what servers read in different ways: dot segments (plain, escaped once or more, with `;parameters`,
 * or set apart only by `%2F`), a backslash, NUL and other control characters, a `%` without two hex digits.
 */
export function normalisePath(raw: string): Parsed<string> {
  // Every plain dot segment follows a slash, so this one test settles most requests.
  if (PLAIN.test(raw) && !raw.includes('/.')) return accept(raw);
  if (raw.charCodeAt(0) !== 0x2f) {
    return refusePath(raw, 'does not start with "/"');
  }
  if (REFUSED_RAW.test(raw)) {
    return refusePath(raw, 'holds a control character, a space, a backslash, "?" or "#"');
  }
  if (BAD_ESCAPE.test(raw)) return refusePath(raw, 'holds a "%" without two hex digits after it');
  const path = raw.replace(ILLEGAL_RAW, escapeOctet).replace(/%[0-9A-Fa-f]{2}/g, normaliseEscape);
  if (REFUSED_ESCAPE.test(path)) {
    return refusePath(raw, 'holds an escaped control character or backslash');
  }
  if (hasDotSegment(path)) return refusePath(raw, 'holds a "." or ".." segment');
  return accept(path);
}

/** Looks through escapes of escapes too (`%252e`): a server that decodes twice would climb. */
function hasDotSegment(path: string): boolean {
  for (let seen = path; ; ) {
    if (DOT_SEGMENT.test(seen)) return true;
    if (!seen.includes('%25')) return false;
    seen = seen.replaceAll('%25', '%').replace(/%2e/gi, '.');
  }
}

function normaliseEscape(escaped: string): string {
  const octet = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return UNRESERVED.test(octet) ? octet : escaped.toUpperCase();
}

function escapeOctet(octet: string): string {
  return `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

function refusePath(raw: string, why: string) {
  return refuse(
    400,
    `The path ${quote(raw)} ${why}. Servers disagree about such paths; send it in plain form.`,
  );
}
