import { parseHost } from '../target/host.ts';
import { readAddress, readCidr } from './address.ts';
import { quoted, type Read } from './faults.ts';
import { markdownLinkMessage } from './syntax-message.ts';

/**
 * A domain of a rule in canonical form: lower-case A-labels, no trailing dot. `*` as a whole label: in front one
 * label or more, inside exactly one; `*` alone is every name.
 */
export function readDomain(text: string): Read<string> {
  const found = quoted(text);
  if (text === '*') return { value: text };
  const link = /\[([^\]]*)\]\(/.exec(text);
  if (link !== null) return { fault: markdownLinkMessage(link[1] ?? '') };
  const misplaced = misplacedPart(text);
  if (misplaced !== null) return { fault: `the domain ${found} ${misplaced}` };
  const labels = text.split('.');
  if (labels.at(-1) === '') labels.pop();
  if (labels.some((label) => label !== '*' && label.includes('*'))) {
    return {
      fault: `in the domain ${found} a "*" is part of a label. It stands for a whole label: "*.example.org".`,
    };
  }
  if (labels.at(-1) === '*') {
    return {
      fault: `the domain ${found} leaves its end open, where anybody can register names. Write the end out: "*.example.org".`,
    };
  }
  // A letter in the place of each star makes a name that the one parser of hosts can judge.
  const host = parseHost(labels.map((label) => (label === '*' ? 'a' : label)).join('.'));
  if (!host.ok)
    return { fault: host.refusal.reason.replace(/^"[^"]*" is no host\./, `${found} is no host name.`) };
  if (host.value.hostKind !== 'name')
    return { fault: `the domain ${found} is an address. Write it as "cidr: ${text}".` };
  const canonical = host.value.host.split('.');
  if (canonical.length !== labels.length)
    return { fault: `${found} is no host name. Separate its labels with plain dots.` };
  return { value: canonical.map((label, index) => (labels[index] === '*' ? '*' : label)).join('.') };
}

/** What of a URL stands in a domain, said as the rest of a sentence; or null. */
function misplacedPart(text: string): string | null {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)/i.exec(text);
  if (scheme !== null) {
    return `holds a scheme. Write the host alone: "domain: ${(scheme[2] ?? '').replace(/:\d+$/, '')}"; "protocol: https" asks for TLS.`;
  }
  if (text.includes('@')) return 'holds a user name ("@"). Write the host alone.';
  if (text.includes('/') && readCidr(text) !== null) return `is an address. Write it as "cidr: ${text}".`;
  const slash = text.indexOf('/');
  if (slash !== -1) {
    return `holds a path. Write "domain: ${text.slice(0, slash)}" and beside it "path: ${text.slice(slash)}".`;
  }
  if (/[?#]/.test(text)) return 'holds a query or fragment. Write the host alone.';
  if (text.startsWith('[') || readAddress(text) !== null) {
    return `is an address. Write it as "cidr: ${text.replace(/^\[|\]$/g, '')}".`;
  }
  const colon = text.indexOf(':');
  if (colon !== -1) {
    return `holds a port. Write "domain: ${text.slice(0, colon)}" and beside it "port: ${text.slice(colon + 1) || '443'}".`;
  }
  if (/[\s,;]/.test(text))
    return 'holds a space, comma or semicolon. Several domains go in a list: [a.example, b.example].';
  return null;
}

/** A prefix of addresses without host bits; an address alone is itself. */
export function readPrefix(text: string): Read<string> {
  if (readCidr(text) !== null) return { value: text };
  const found = quoted(text);
  const slash = text.indexOf('/');
  const address = slash === -1 ? text : text.slice(0, slash);
  const length = slash === -1 ? '' : text.slice(slash + 1);
  if (/^\[.*\]$/.test(address)) return { fault: `${found} has brackets. Write the address without them.` };
  if (readAddress(address) === null) {
    return {
      fault: `${found} is no address or prefix. Expected a form like 10.20.0.0/16, 192.0.2.1 or 2001:db8::/32, without leading zeros or zone.`,
    };
  }
  const most = address.includes(':') ? 128 : 32;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > most) {
    return { fault: `the prefix length of ${found} is not from 0 to ${most}.` };
  }
  return {
    fault: `${found} has bits set after the first ${length}. Set them to zero, or write "${address}/${most}" for that address alone.`,
  };
}
