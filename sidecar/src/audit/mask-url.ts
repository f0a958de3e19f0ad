/**
 * A URL as the log may hold it: without user information, and with every query value masked (`?a=***`). Keys are
 * kept; an item without `=` is taken for a value, since a bare token looks like that. What follows a `#` is masked.
 * Works on any text: a URL that was refused because it is malformed is logged too.
 */
export function maskUrl(url: string): string {
  const bare = withoutUserInfo(url);
  const query = bare.indexOf('?');
  const fragment = bare.indexOf('#');
  if (query < 0 && fragment < 0) return bare;
  if (fragment >= 0 && (query < 0 || fragment < query)) return `${bare.slice(0, fragment)}#***`;
  const end = fragment < 0 ? bare.length : fragment;
  const masked = bare
    .slice(query + 1, end)
    .split('&')
    .map(maskItem)
    .join('&');
  return `${bare.slice(0, query)}?${masked}${fragment < 0 ? '' : '#***'}`;
}

function maskItem(item: string): string {
  if (item === '') return '';
  const equals = item.indexOf('=');
  return equals < 0 ? '***' : `${item.slice(0, equals)}=***`;
}

/** Cuts user information: what precedes the last `@` of the authority, which ends at the first `/`, `?` or `#`
 *  (RFC 3986 section 3.2; clients take a backslash for a slash as well). */
export function withoutUserInfo(url: string): string {
  if (!url.includes('@')) return url;
  const scheme = url.indexOf('://');
  const start = scheme < 0 ? 0 : scheme + 3;
  const length = url.slice(start).search(/[/\\?#]/);
  const end = length < 0 ? url.length : start + length;
  const at = url.lastIndexOf('@', end - 1);
  return at < start ? url : url.slice(0, start) + url.slice(at + 1);
}
