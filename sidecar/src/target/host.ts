import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { accept, quote, refuse } from './refusal.ts';
import type { Endpoint, HostKind, Parsed } from './types.ts';

export interface Host {
  readonly host: string;
  readonly hostKind: HostKind;
}

/** RFC 1035 section 2.3.4: 255 octets on the wire, 253 as text. */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/** A name in lower-case ASCII. The underscore is no host name letter (RFC 952), yet living hosts use it. */
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const LONG_LABEL = new RegExp(`[a-z0-9_-]{${LONGEST_LABEL + 1}}`);
/** WHATWG URL, "ends in a number": such a name would be read as an IPv4 address somewhere. */
const NUMBER_AT_END = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;
/** ASCII that no host holds in any spelling; what is left may be an IDN. */
const NEVER_IN_A_NAME = /[\p{ASCII}--[A-Za-z0-9._\-]]/v;

/**
 * The canonical form of the host part of a URL or an authority: a name as A-labels (RFC 5890) in lower case
 * without its trailing dot, an IPv4 address as four decimal octets, a bracketed IPv6 address as RFC 5952 text.
 *
 * The odd forms of IPv4 (`127.1`, `0x7f.1`, `2852039166`, leading zeros) are refused with 400, not guessed:
 * resolvers and URL parsers disagree about them. So are zone ids, which name an interface of this machine.
 */
export function parseHost(text: string): Parsed<Host> {
  if (text.charCodeAt(0) === 0x5b /* [ */) return parseBracketed(text);
  const undotted = text.charCodeAt(text.length - 1) === 0x2e ? text.slice(0, -1) : text;
  const lower = undotted.toLowerCase();
  if (NAME.test(lower)) return parseAsciiName(text, lower);
  if (NEVER_IN_A_NAME.test(text)) return refuseHost(text);
  const converted = domainToASCII(text);
  // The dots of other scripts (U+3002 and its like) become dots, so a trailing one shows only now.
  const name = converted.endsWith('.') ? converted.slice(0, -1) : converted;
  if (!NAME.test(name) || isIPv4(name)) return refuseHost(text);
  return parseAsciiName(text, name);
}

/**
 * An IP address as a resolver or a socket writes it, without brackets; canonical as in {@link parseHost}.
 * Null where the text is no address.
 */
export function parseAddress(text: string): Host | null {
  // node:net reads IPv4 strictly (four octets, no leading zero), as inet_pton does.
  if (isIPv4(text)) return { host: text, hostKind: 'ipv4' };
  if (!isIPv6(text) || text.includes('%')) return null;
  // The URL standard writes IPv6 as RFC 5952 section 4 does. (ipaddr.js reads `::192.0.2.1` as v4-mapped.)
  return { host: new URL(`http://[${text}]`).hostname.slice(1, -1), hostKind: 'ipv6' };
}

/**
 * `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986 section 3.2, without userinfo).
 * `defaultPort` holds where the text has none; null demands one, as CONNECT does (RFC 9110 section 9.3.6).
 */
export function parseAuthority(text: string, defaultPort: number | null): Parsed<Endpoint> {
  if (text.includes('@')) {
    return refuse(
      400,
      `${quote(text)} came with a user name before "@". Send credentials in a header, not in the URL.`,
    );
  }
  const bracket = text.charCodeAt(0) === 0x5b ? text.indexOf(']') + 1 : 0;
  const colon = text.indexOf(':', bracket);
  if (bracket > 0 && colon !== bracket && bracket !== text.length) return refuseHost(text);
  const host = parseHost(colon === -1 ? text : text.slice(0, colon));
  if (!host.ok) return host;
  if (colon === -1) {
    if (defaultPort !== null) return accept({ ...host.value, port: defaultPort });
    return refuse(400, `${quote(text)} names no port. Write HOST:PORT.`);
  }
  const port = parsePort(text.slice(colon + 1));
  if (port !== null) return accept({ ...host.value, port });
  return refuse(
    400,
    `The port of ${quote(text)} cannot be read. Expected a number from 1 to 65535 without leading zeros.`,
  );
}

/**
 * {@link parseAuthority} for what stands in a message: octets beyond ASCII are refused, since nothing says
 * which letters they spell (RFC 9110 section 4.2: a URI is ASCII, an IDN arrives as A-labels).
 */
export function parseWireAuthority(text: string, defaultPort: number | null): Parsed<Endpoint> {
  if (/^[\x21-\x7e]*$/.test(text)) return parseAuthority(text, defaultPort);
  return refuse(400, `${quote(text)} is no host in ASCII. Send an international name in its "xn--" form.`);
}

/** 1 to 65535 in decimal without leading zeros, or null. */
function parsePort(text: string): number | null {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) return null;
  const port = Number(text);
  return port <= 65535 ? port : null;
}

function parseAsciiName(text: string, name: string): Parsed<Host> {
  if (NUMBER_AT_END.test(name)) {
    if (isIPv4(name)) return accept({ host: name, hostKind: 'ipv4' });
    return refuse(
      400,
      `${quote(text)} is an IPv4 address in an odd form. Expected four decimal numbers, as in 192.0.2.1.`,
    );
  }
  if (name.length > LONGEST_NAME || LONG_LABEL.test(name)) {
    return refuse(
      400,
      `The host name ${quote(text)} is too long: at most ${LONGEST_NAME} characters in all, ${LONGEST_LABEL} between dots.`,
    );
  }
  return accept({ host: name, hostKind: 'name' });
}

function parseBracketed(text: string): Parsed<Host> {
  if (text.includes('%')) {
    return refuse(
      400,
      `${quote(text)} has a zone id, which names a network interface. Write the address without it.`,
    );
  }
  const address = text.endsWith(']') ? parseAddress(text.slice(1, -1)) : null;
  if (address?.hostKind === 'ipv6') return accept(address);
  return refuse(400, `${quote(text)} is no IPv6 address in brackets. Expected a form like [2001:db8::1].`);
}

function refuseHost(text: string) {
  return refuse(
    400,
    `${quote(text)} is no host. Expected a name like example.org, an address like 192.0.2.1, or [2001:db8::1].`,
  );
}
