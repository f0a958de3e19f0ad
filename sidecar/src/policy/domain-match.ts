/**
 * True where a rule's domain matches a name, both as lower-case A-labels: `*` alone is every name, a leading `*.`
 * one or more labels, a `*` elsewhere exactly one. Addresses are no names and never come here.
 */
export function domainMatches(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('.');
  const found = name.split('.');
  const open = wanted[0] === '*';
  if (open ? found.length < wanted.length : found.length !== wanted.length) return false;
  const extra = found.length - wanted.length;
  return wanted.every((label, index) => label === '*' || label === found[index + extra]);
}
