/** An IP address as numbers: IPv4 as one 32-bit number, IPv6 as eight groups of 16 bits. */
export type Address =
  | { readonly version: 4; readonly number: number }
  | { readonly version: 6; readonly groups: readonly number[] };

/** A prefix of addresses (RFC 4632, RFC 4291 section 2.3). `length` counts bits: 0 to 32 or 0 to 128. */
export interface Cidr {
  readonly base: Address;
  readonly length: number;
}

const DOT = 0x2e;
const ZERO = 0x30;
const GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Reads four decimal octets, or RFC 4291 section 2.2 text (an IPv4 tail included). Null for everything else: odd
 * forms of IPv4, brackets, zone ids.
 */
export function readAddress(text: string): Address | null {
  if (!text.includes(':')) {
    const number = readOctets(text);
    return number === null ? null : { version: 4, number };
  }
  const groups = readGroups(text);
  return groups === null ? null : { version: 6, groups };
}

/** Reads `ADDRESS/LENGTH`, or an address alone as the prefix that holds nothing else. Host bits make it null. */
export function readCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const base = readAddress(slash === -1 ? text : text.slice(0, slash));
  if (base === null) return null;
  const longest = base.version === 4 ? 32 : 128;
  const written = slash === -1 ? String(longest) : text.slice(slash + 1);
  const length = /^(?:0|[1-9][0-9]{0,2})$/.test(written) ? Number(written) : Number.NaN;
  if (!(length <= longest) || prefixKey(base, length) !== prefixKey(base, longest)) return null;
  return { base, length };
}

/** {@link readCidr} for prefixes that are part of this program or were checked at load. */
export function knownCidr(text: string): Cidr {
  const cidr = readCidr(text);
  if (cidr === null) throw new TypeError(`${text} is not a prefix without host bits`);
  return cidr;
}

export function cidrHolds(cidr: Cidr, address: Address): boolean {
  const { base, length } = cidr;
  if (base.version === 4) {
    if (address.version !== 4 || length === 0) return address.version === 4;
    return (base.number ^ address.number) >>> (32 - length) === 0;
  }
  if (address.version === 4) return false;
  const whole = length >> 4;
  for (let index = 0; index < whole; index += 1) {
    if (base.groups[index] !== address.groups[index]) return false;
  }
  const rest = length & 15;
  return rest === 0 || ((base.groups[whole] ?? 0) ^ (address.groups[whole] ?? 0)) >>> (16 - rest) === 0;
}

/** True where every address of `inner` is in `outer`. */
export function cidrWithin(inner: Cidr, outer: Cidr): boolean {
  return inner.length >= outer.length && cidrHolds(outer, inner.base);
}

/** The same for all addresses that share the first `length` bits, and for no others of that version. */
export function prefixKey(address: Address, length: number): number | string {
  if (address.version === 4)
    return length === 0 ? 0 : (address.number >>> (32 - length)) * 2 ** (32 - length);
  return address.groups
    .map((group, index) => {
      const bits = Math.min(16, Math.max(0, length - index * 16));
      return (group >> (16 - bits)) << (16 - bits);
    })
    .join(':');
}

/** The IPv4 address in two groups of an IPv6 address, the first at `index`. */
export function embeddedIpv4(groups: readonly number[], index: number): Address {
  return { version: 4, number: (((groups[index] ?? 0) << 16) | (groups[index + 1] ?? 0)) >>> 0 };
}

/** By character codes: this stands in the way of every request. */
function readOctets(text: string): number | null {
  let number = 0;
  let octet = -1;
  let dots = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (octet === -1 || dots === 3) return null;
      number = number * 256 + octet;
      octet = -1;
      dots += 1;
    } else {
      // A zero in front would be octal to some readers.
      if (code < ZERO || code > ZERO + 9 || octet === 0) return null;
      octet = (octet === -1 ? 0 : octet * 10) + code - ZERO;
      if (octet > 255) return null;
    }
  }
  return dots === 3 && octet !== -1 ? number * 256 + octet : null;
}

function readGroups(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = readHalf(halves[0] ?? '', halves.length === 1);
  if (halves.length === 1) return head?.length === 8 ? head : null;
  const tail = readHalf(halves[1] ?? '', true);
  if (head === null || tail === null || head.length + tail.length > 7) return null;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function readHalf(text: string, mayEndInOctets: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (mayEndInOctets && index === parts.length - 1 && part.includes('.')) {
      const number = readOctets(part);
      if (number === null) return null;
      groups.push(number >>> 16, number & 0xffff);
    } else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}
