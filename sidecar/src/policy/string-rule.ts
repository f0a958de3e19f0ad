import { METHODS } from 'node:http';
import { readAddress } from './address.ts';
import { didYouMean, quoted, type Read } from './faults.ts';
import { readDomain, readPrefix } from './rule-domain.ts';
import type { Draft } from './rule-mapping.ts';
import { readMethod, readPath, readPort } from './rule-request.ts';
import type { PortRange } from './types.ts';

/** What a rule in one string means. `rootPath`: it says `path=/`, which Coder's firewall takes for every path. */
export interface StringRule {
  readonly draft: Draft;
  readonly rootPath: boolean;
}
/** A fault with the offset in the string that it is about. */
interface StringFault {
  readonly offset: number;
  readonly message: string;
}
type Result = { readonly rule: StringRule } | { readonly faults: readonly StringFault[] };

const FORMS =
  'Expected "domain=github.com" with method= or path= beside it, or "[METHODS ][SCHEME://]HOST[:PORT][/PATH]" such as "GET https://github.com/coder/*".';
const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS);

interface Word {
  readonly text: string;
  readonly offset: number;
}

/** Reads a rule that is one string, in either form. The caller has refused control characters. */
export function readStringRule(text: string, effect: 'allow' | 'deny'): Result {
  const faults: StringFault[] = [];
  const words = [...text.matchAll(/\S+/g)].map((match) => ({ text: match[0], offset: match.index }));
  if (words.length === 0) return { faults: [{ offset: 0, message: `found an empty rule. ${FORMS}` }] };
  const rule = words.some((word) => /^[A-Za-z_-]+=/.test(word.text))
    ? readKeyValues(words, effect, faults)
    : readUrlForm(words, faults);
  return faults.length > 0 ? { faults } : { rule };
}

/** `method=GET,HEAD domain=github.com path=/api/*,/x` */
function readKeyValues(words: readonly Word[], effect: 'allow' | 'deny', faults: StringFault[]): StringRule {
  const draft: Draft = {};
  const seen = new Set<string>();
  let rootPath = false;
  for (const { text, offset } of words) {
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0));
    const items = text.slice(equals + 1).split(',');
    const each = <T>(read: (item: string) => Read<T>): T[] =>
      items.flatMap((item) => {
        const value =
          item === '' ? { fault: `${quoted(text)} holds an empty value. Write ${key}=VALUE.` } : read(item);
        if ('value' in value) return [value.value];
        faults.push({ offset, message: value.fault });
        return [];
      });
    if (seen.has(key) && equals !== -1) {
      faults.push({
        offset,
        message: `"${key}=" stands twice in one rule. Write two rules, or one list: ${key}=A,B.`,
      });
    } else if (key === 'domain') draft.domains = each(readDomain);
    else if (key === 'method') draft.methods = each(readMethod);
    else if (key === 'path') {
      draft.paths = each(readPath);
      rootPath = items.includes('/');
    } else if (equals === -1)
      faults.push({
        offset,
        message: `${quoted(text)} stands without a key. Expected method=, domain= or path=.`,
      });
    else {
      const hint = didYouMean(key, ['method', 'domain', 'path']);
      faults.push({
        offset,
        message: `"${key}=" is unknown in a rule that is a string.${hint} Expected method=, domain= or path=; everything else needs the form of a mapping (${quoted(`${key}: ...`).slice(1, -1)}).`,
      });
    }
    seen.add(key);
  }
  // What a deny leaves out means any, addresses too; an allow names everybody by name.
  if (draft.domains === undefined && effect === 'allow') draft.domains = ['*'];
  return { draft, rootPath };
}

/** `[METHODS ] [SCHEME://] HOST [:PORT] [/PATH]` */
function readUrlForm(words: readonly Word[], faults: StringFault[]): StringRule {
  const draft: Draft = {};
  const [first, second, third] = words;
  const target = second ?? first;
  const rule = { draft, rootPath: false };
  if (first === undefined || target === undefined) return rule;
  if (third !== undefined) {
    faults.push({ offset: third.offset, message: `${quoted(third.text)} is one word too many. ${FORMS}` });
    return rule;
  }
  if (second !== undefined) {
    if (!/^(?:\*|[A-Za-z]+(?:,[A-Za-z]+)*)$/.test(first.text)) {
      faults.push({
        offset: first.offset,
        message: `${quoted(first.text)} is no list of methods such as GET,HEAD. ${FORMS}`,
      });
    } else draft.methods = first.text.toUpperCase().split(',');
  } else if (KNOWN_METHODS.has(first.text.toUpperCase())) {
    const name = first.text.toUpperCase();
    faults.push({
      offset: first.offset,
      message: `${quoted(first.text)} is a method without a host. Write "${name} *" for every name, or "${name} github.com".`,
    });
    return rule;
  }
  readPlace(target, draft, faults);
  return rule;
}

const HAS_OWN_KEY = 'Write the rule as a mapping with protocol: and port:.';

function readPlace({ text, offset }: Word, draft: Draft, faults: StringFault[]): void {
  const note = (message: string) => faults.push({ offset, message });
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    note(`the scheme of ${quoted(text)} is neither http nor https. ${HAS_OWN_KEY}`);
    return;
  }
  const rest = scheme === undefined ? text : text.slice(scheme.length + 3);
  const slash = rest.indexOf('/');
  const authority = slash === -1 ? rest : rest.slice(0, slash);
  const path = slash === -1 ? null : rest.slice(slash);
  if (rest.includes('](')) {
    const link = readDomain(rest);
    if ('fault' in link) note(link.fault);
    return;
  }
  if (authority === '') {
    note(`${quoted(text)} has no host. Write "*${path ?? ''}" for every name, or a host before the path.`);
    return;
  }
  if (/[?#]/.test(rest)) {
    note(`${quoted(text)} holds "?" or "#". A rule is about the path, not the query; leave it out.`);
    return;
  }
  if (authority.includes('@')) {
    note(`${quoted(text)} holds a user name. Write the host alone.`);
    return;
  }
  if (!authority.startsWith('[') && authority.split(':').length > 2) {
    note(
      `${quoted(text)} has several colons. An IPv6 address stands in brackets: "[2001:db8::1]" or "[2001:db8::]/32".`,
    );
    return;
  }
  const [, host = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(authority) ?? [];
  if (host === '') {
    note(`${quoted(text)} has no host that can be read. ${FORMS}`);
    return;
  }
  const ports = port === undefined ? undefined : readPorts(port, note);
  if (/^[\d.]+$/.test(host) || host.startsWith('[')) readAddressForm(text, host, path, draft, note);
  else {
    const domain = readDomain(host);
    if ('value' in domain) draft.domains = [domain.value];
    else note(domain.fault);
    const read = path === null ? undefined : readPath(path);
    if (read !== undefined && 'value' in read) draft.paths = [read.value];
    else if (read !== undefined) note(read.fault);
  }
  if (scheme !== undefined) draft.protocol = scheme;
  if (ports !== undefined) draft.ports = ports;
  else if (scheme !== undefined) {
    const own = scheme === 'http' ? 80 : 443;
    draft.ports = [{ from: own, to: own }];
  }
}

function readPorts(text: string, note: (message: string) => void): readonly PortRange[] | 'any' {
  const ranges: PortRange[] = [];
  for (const item of text.split(',')) {
    const port = readPort(item);
    if ('fault' in port) note(port.fault);
    else if (port.value === 'any') return port.value;
    else ranges.push(port.value);
  }
  return ranges;
}

/** A host of digits and dots, or in brackets: an address; after its slash a prefix length. */
function readAddressForm(
  text: string,
  host: string,
  path: string | null,
  draft: Draft,
  note: (message: string) => void,
): void {
  const address = host.replace(/^\[|\]$/g, '');
  if (readAddress(address) === null || (host.startsWith('[') && !address.includes(':'))) {
    note(
      `${quoted(host)} is no address in plain form. Write four decimal numbers (10.1.2.3) or brackets ([2001:db8::1]); a prefix as 10.0.0.0/8.`,
    );
    return;
  }
  if (path !== null && !/^\/\d{1,3}$/.test(path)) {
    note(
      `${quoted(text)} is an address, so a prefix length follows its "/". For a path write a mapping with cidr: and path:.`,
    );
    return;
  }
  const prefix = readPrefix(`${address}${path ?? ''}`);
  if ('value' in prefix) draft.cidrs = [prefix.value];
  else note(prefix.fault);
}
