import type { PortRange } from './types.ts';

/** A label that no rule names, standing for whatever a wildcard matches. */
const ANY_LABEL = 'any-label-boundary';

/** A name that a pattern matches, and as few others as can be. */
export function exampleName(pattern: string): string {
  return pattern
    .split('.')
    .map((label) => (label === '*' ? ANY_LABEL : label))
    .join('.');
}

/** True where a star stands elsewhere than in front: such patterns can overlap without one holding the other. */
export function hasInnerStar(pattern: string): boolean {
  return pattern.lastIndexOf('*') > 0;
}

/** The pattern of the names that both patterns match, or null where there are none. */
export function domainOverlap(a: string, b: string): string | null {
  if (a === '*') return b;
  if (b === '*') return a;
  return overlap(a.split('.').reverse(), b.split('.').reverse())?.reverse().join('.') ?? null;
}

/** True where some path matches both patterns. */
export function pathsOverlap(a: string, b: string): boolean {
  return a === '*' || b === '*' || overlap(a.split('/'), b.split('/')) !== null;
}

export function portsOverlap(a: readonly PortRange[] | null, b: readonly PortRange[] | null): boolean {
  if (a === null || b === null) return true;
  return a.some((x) => b.some((y) => x.from <= y.to && y.from <= x.to));
}

/** Both with the open end last: a `*` there is one part or more, elsewhere exactly one. */
function overlap(a: readonly string[], b: readonly string[]): string[] | null {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (short.length < long.length && short.at(-1) !== '*') return null;
  const both: string[] = [];
  for (const [index, part] of long.entries()) {
    const other = index < short.length ? (short[index] ?? '*') : '*';
    if (part !== '*' && other !== '*' && part !== other) return null;
    both.push(part === '*' ? other : part);
  }
  return both;
}
