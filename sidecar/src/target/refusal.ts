import type { Parsed, Refusal } from './types.ts';

const LONGEST_QUOTE = 80;

/** A parser's failure as a value: nothing in this folder throws. */
export function refuse(
  status: Refusal['status'],
  reason: string,
  claimed: readonly string[] = [],
): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { status, reason, claimed } };
}

/** A parser's success. */
export function accept<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/**
 * What a client sent, made fit for a sentence: quoted, escaped to printable ASCII, cut at 80 characters. Reasons are
 * logged, so what may hold a secret is left out: a query or fragment, and user information before an `@`.
 */
export function quote(text: string): string {
  const bare = withoutUserinfo(text);
  const secret = bare.search(/[?#]/);
  const end = Math.min(secret === -1 ? bare.length : secret + 1, LONGEST_QUOTE);
  const cut = end < bare.length ? `${bare.slice(0, end)}...` : bare;
  return JSON.stringify(cut).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Cuts what stands before the last `@` of an authority, which ends at the first slash, `?` or `#`. */
function withoutUserinfo(text: string): string {
  return text.replace(/^([^/?#@]*:?\/\/)?[^/?#]*@/, '$1');
}
