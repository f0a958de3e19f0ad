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

/** What a client sent, made fit for a sentence: quoted, escaped to printable ASCII, cut at 80 characters. */
export function quote(text: string): string {
  const cut = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}...` : text;
  return JSON.stringify(cut).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
