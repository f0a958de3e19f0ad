/** What js-yaml says of a text that is no YAML, in words that help; slips that people really make come first. */
export function syntaxMessage(reason: string, line: string): string {
  const link = /\[([^\]\s]*)\]\(([^)\s]*)\)?/.exec(line);
  if (link !== null) return markdownLinkMessage(link[1] ?? '');
  if (/tab character/i.test(reason) || /^\s*\t/.test(line)) {
    return 'a tab indents this line, which YAML forbids. Indent with spaces.';
  }
  if (/null byte|control character|non-printable|non printable/i.test(reason)) {
    return `the file holds a control character (${reason}). Remove it.`;
  }
  if (/alias/i.test(reason)) return 'a text that starts with "*" needs quotes: write "*" or "*.example.org".';
  const start = /:\s+([@`%])/.exec(line)?.[1];
  if (start !== undefined) return `a text that starts with "${start}" needs quotes.`;
  return `this is no YAML: ${reason}. Look at indentation, quotes and brackets here and in the line above.`;
}

/** `[github.com](http://github.com)`: what copying out of a rendered page leaves. */
export function markdownLinkMessage(name: string): string {
  const host = /^[\w.*-]+$/.test(name) ? name : 'github.com';
  return `found a Markdown link, as copied from a web page. Write the name alone: ${host.startsWith('*') ? `"${host}"` : host}.`;
}
