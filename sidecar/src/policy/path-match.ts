/**
 * True where a rule's path (policy form: `*` alone, or `/`-separated with whole-segment stars) matches a path byte
 * for byte. A star stands for one segment, the last one for one or more.
 */
export function pathMatches(pattern: string, path: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('/');
  const found = path.split('/');
  const open = wanted.at(-1) === '*';
  if (open ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((part, index) => part === '*' || part === found[index]);
}

/** A path as servers that are lax might read it, for deny rules alone. */
export interface ReducedPath {
  /** `%2F` read as a separator. */
  readonly separated: string;
  /** `%2F` read as an ordinary character of its segment. */
  readonly ordinary: string;
}

/** Nothing for {@link reducePath} to do: lower case, no escape, parameter or double slash, no slash at the end. */
const ALREADY_REDUCED = /^(?:\/[a-z0-9\-._~!$&'()+,=:@]+)+$/;

/**
 * Every escape decoded once, letters case-folded, `;parameters` cut, repeated slashes merged, a last slash dropped.
 * With `pattern` true, a segment that is `*` stays the wildcard it is in a rule; a star that is text becomes `%2a`.
 */
export function reducePath(path: string, pattern: boolean): ReducedPath {
  if (ALREADY_REDUCED.test(path)) return { separated: path, ordinary: path };
  return {
    separated: reduce(path.replaceAll(/%2F/gi, '/'), pattern),
    ordinary: reduce(path.replaceAll(/%2F/gi, '%252F'), pattern),
  };
}

function reduce(path: string, pattern: boolean): string {
  let reduced = '';
  for (const segment of path.split('/')) {
    const read = pattern && segment === '*' ? segment : reduceSegment(segment);
    if (read !== '') reduced += `/${read}`;
  }
  return reduced;
}

function reduceSegment(segment: string): string {
  const [name = ''] = decodeOnce(segment).split(';', 1);
  // Upper and then lower case folds what lower case alone leaves apart, as the long s and the s.
  return name.toUpperCase().toLowerCase().replaceAll('*', '%2a');
}

/** Octets that are not UTF-8 all become U+FFFD: for a deny, being taken for equal is the safe side. */
function decodeOnce(text: string): string {
  if (!text.includes('%')) return text;
  const octets = text
    .replaceAll(/[^\0-\x7f]+/g, (letters) => encodeURIComponent(letters.toWellFormed()))
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(octets, 'latin1').toString('utf8');
}
