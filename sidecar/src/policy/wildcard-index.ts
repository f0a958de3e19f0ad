/**
 * Finds the patterns that match a text of parts: host names (`*.github.com`, parts joined by `.`, the open end on
 * the left) and paths (`/api/*`, joined by `/`, the open end on the right). In a pattern a part that is `*` stands
 * for exactly one part; at the open end it stands for one or more. Both ends are never open.
 *
 * Plain patterns and those whose only `*` is at the open end cost at most one map look-up per part of the text,
 * however many there are. The others are grouped by where their stars stand, and cost one look-up per such shape.
 */
export class WildcardIndex<T> {
  readonly #separator: '.' | '/';
  readonly #exact = new Map<string, T>();
  /** By the part of the pattern that is fixed, without the star and its separator. */
  readonly #open = new Map<string, T>();
  /** The lengths that keys of #open have: few, and most slices need not be made. */
  readonly #openLengths: number[] = [];
  readonly #shapes = new Map<string, Shape<T>>();

  constructor(separator: '.' | '/') {
    this.#separator = separator;
  }

  /** What is stored under a pattern; made by `make` where there is nothing yet. */
  at(pattern: string, make: () => T): T {
    const parts = pattern.split(this.#separator);
    const open = this.#dropOpenEnd(parts);
    if (parts.includes('*')) return orMake(this.#shape(parts, open).values, parts.join('\n'), make);
    const fixed = parts.join(this.#separator);
    if (!open) return orMake(this.#exact, fixed, make);
    if (!this.#openLengths.includes(fixed.length)) this.#openLengths.push(fixed.length);
    return orMake(this.#open, fixed, make);
  }

  /** Appends everything stored under a pattern that matches `text`. */
  collect(text: string, into: T[]): void {
    const exact = this.#exact.get(text);
    if (exact !== undefined) into.push(exact);
    if (this.#open.size > 0) this.#collectOpen(text, into);
    if (this.#shapes.size > 0) this.#collectShapes(text, into);
  }

  #collectOpen(text: string, into: T[]): void {
    const left = this.#separator === '.';
    const separator = left ? 0x2e : 0x2f;
    const { length } = text;
    for (const fixed of this.#openLengths) {
      const at = left ? length - fixed - 1 : fixed;
      if (at < 0 || at >= length || text.charCodeAt(at) !== separator) continue;
      const value = this.#open.get(left ? text.slice(at + 1) : text.slice(0, at));
      if (value !== undefined) into.push(value);
    }
  }

  #collectShapes(text: string, into: T[]): void {
    const parts = text.split(this.#separator);
    for (const shape of this.#shapes.values()) {
      if (shape.open ? parts.length <= shape.length : parts.length !== shape.length) continue;
      const start = this.#separator === '.' ? parts.length - shape.length : 0;
      const key = parts.slice(start, start + shape.length);
      for (const star of shape.stars) key[star] = '*';
      const value = shape.values.get(key.join('\n'));
      if (value !== undefined) into.push(value);
    }
  }

  #dropOpenEnd(parts: string[]): boolean {
    const end = this.#separator === '.' ? 0 : parts.length - 1;
    if (parts.length < 2 || parts[end] !== '*') return false;
    parts.splice(end, 1);
    return true;
  }

  #shape(parts: readonly string[], open: boolean): Shape<T> {
    const stars = parts.flatMap((part, index) => (part === '*' ? [index] : []));
    const key = `${open} ${parts.length} ${stars.join(',')}`;
    return orMake(this.#shapes, key, () => ({ open, length: parts.length, stars, values: new Map() }));
  }
}

/** Patterns with stars inside, all at the same places. */
interface Shape<T> {
  readonly open: boolean;
  /** Parts beside the open end. */
  readonly length: number;
  readonly stars: readonly number[];
  readonly values: Map<string, T>;
}

function orMake<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
