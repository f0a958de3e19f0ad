import type { PolicyFault } from './types.ts';

/** A place in one source. Line and column from 1; a column counts UTF-16 units, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What reading one value came to: the value, or a sentence that says what was found and what was expected. */
export type Read<T> = { readonly value: T } | { readonly fault: string };

/** Collects what is wrong with one source, so that all of it can be said in one go. */
export class Faults {
  readonly file: string;
  readonly list: PolicyFault[] = [];
  readonly #spoilt = new Set<string>();

  constructor(file: string) {
    this.file = file;
  }

  add(at: Place, message: string): void {
    if (this.#spoilt.has(`${at.line}:${at.column}`)) return;
    this.list.push({ file: this.file, line: at.line, column: at.column, message });
  }

  /** Notes a fault of a text as such. What else it then is not, it need not be told. */
  spoil(at: Place, message: string): void {
    this.add(at, message);
    this.#spoilt.add(`${at.line}:${at.column}`);
  }

  /** The value, or undefined after its fault was noted at `at`. */
  take<T>(at: Place, read: Read<T>): T | undefined {
    if ('value' in read) return read.value;
    this.add(at, read.fault);
    return undefined;
  }
}

const LONGEST_QUOTE = 80;

/** A piece of a policy made fit for a one-line message: quoted, escaped, cut at 80 characters. */
export function quoted(text: string): string {
  const cut = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}...` : text;
  return JSON.stringify(cut).replace(
    /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** ` Did you mean "x"?` for the nearest of `known`, or nothing where none is near. */
export function didYouMean(text: string, known: readonly string[]): string {
  const lower = text.toLowerCase();
  let best: string | null = null;
  let least = Math.max(2, Math.floor(text.length / 3)) + 1;
  if (text.length > 40) return '';
  for (const name of known) {
    const distance = editDistance(lower, name);
    if (distance < least && distance < name.length) [best, least] = [name, distance];
  }
  return best === null ? '' : ` Did you mean "${best}"?`;
}

/** Levenshtein's distance: how many letters to insert, drop or replace. */
function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      line.push(Math.min(replaced, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1));
    }
    above = line;
  }
  return above[to.length] ?? 0;
}
