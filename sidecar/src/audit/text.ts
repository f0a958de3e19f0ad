/** Printable ASCII but `"` and `\`: what stands in a JSON string as it is. */
const plain = /^[ !#-[\]-~]*$/;
/** What JSON.stringify leaves alone and an ASCII line must not hold: DEL and everything beyond ASCII. */
const beyondAscii = /[\x7f-\uffff]/g;

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * A JSON string (RFC 8259 section 7) of printable ASCII alone: control characters, bidi marks and everything beyond
 * ASCII are escaped, lone surrogates become U+FFFD, so that no reader of the line can be misled or choke. The result
 * has at most `limit` characters between its quotes; a longer text is cut between two code points.
 *
 * @returns the quoted text, and whether it was cut
 */
export function asciiJson(text: string, limit: number): { json: string; cut: boolean } {
  if (text.length <= limit && plain.test(text)) return { json: `"${text}"`, cut: false };
  // Cut first, so that a text of megabytes costs no more than its limit.
  const head = text.length > limit ? text.slice(0, limit) : text;
  const json = escaped(head.toWellFormed());
  if (json.length <= limit + 2) return { json, cut: head.length < text.length };
  let body = '';
  for (const point of head.toWellFormed()) {
    const piece = escaped(point).slice(1, -1);
    if (body.length + piece.length > limit) break;
    body += piece;
  }
  return { json: `"${body}"`, cut: true };
}

function escaped(text: string): string {
  return JSON.stringify(text).replace(beyondAscii, unicodeEscape);
}

/** Controls (C0, DEL, C1), line separators, bidi and zero-width marks, tags, lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/** A text that is safe to print on a terminal: what cannot be seen, or moves what can, is shown as `\u{...}`. */
export function printable(text: string): string {
  return text.replace(unprintable, (point) => `\\u{${(point.codePointAt(0) ?? 0).toString(16)}}`);
}
