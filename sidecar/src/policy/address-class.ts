import { type Address, type Cidr, cidrHolds, cidrWithin, embeddedIpv4, knownCidr } from './address.ts';

/** A kind of address that no rule reaches by a name or a wide prefix alone. */
export interface AddressClass {
  /** What people call it, for messages: `private (RFC 1918)`. */
  readonly name: string;
  /** What opens it: a prefix inside one of `ranges`, `private: true` too, or nothing but the address itself. */
  readonly opening: 'cidr' | 'cidr-or-private' | 'address-alone';
  readonly ranges: readonly Cidr[];
}

/** Where clouds tell any process on a machine the machine's credentials. */
const METADATA = define('cloud metadata', 'address-alone', [
  '169.254.169.254/32',
  '169.254.170.2/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  'fd00:ec2::254/128',
]);
/** An IPv6 form of an IPv4 address that is special itself: a prefix would open more than it says. */
const EMBEDDED_SPECIAL = 'address-alone' as const;

/**
 * The first that holds an address is its class. From the IANA special-purpose address registries (RFC 6890 and
 * its updates), RFC 4291, RFC 5771 and RFC 6598.
 */
const IPV4: readonly AddressClass[] = [
  METADATA,
  define('broadcast', 'cidr', ['255.255.255.255/32']),
  define('loopback', 'cidr', ['127.0.0.0/8']),
  define('private (RFC 1918)', 'cidr-or-private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']),
  define('carrier-grade NAT', 'cidr-or-private', ['100.64.0.0/10']),
  define('link-local', 'cidr', ['169.254.0.0/16']),
  define('this network', 'cidr', ['0.0.0.0/8']),
  define('protocol assignments', 'cidr', ['192.0.0.0/24']),
  define('documentation', 'cidr', ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24']),
  define('benchmarking', 'cidr', ['198.18.0.0/15']),
  define('6to4', 'cidr', ['192.88.99.0/24']),
  define('multicast', 'cidr', ['224.0.0.0/4']),
  define('reserved', 'cidr', ['240.0.0.0/4']),
];

interface Embedding {
  readonly class: AddressClass;
  /** The groups that hold the IPv4 address. */
  readonly at: (groups: readonly number[]) => Address;
}

const EMBEDDINGS: readonly Embedding[] = [
  { class: define('v4-mapped', 'cidr', ['::ffff:0:0/96', '::ffff:0:0:0/96']), at: (g) => embeddedIpv4(g, 6) },
  { class: define('NAT64', 'cidr', ['64:ff9b::/96', '64:ff9b:1::/48']), at: (g) => embeddedIpv4(g, 6) },
  { class: define('6to4', 'cidr', ['2002::/16']), at: (g) => embeddedIpv4(g, 1) },
  // RFC 4380 section 4: the client's address is stored with every bit inverted.
  {
    class: define('Teredo', 'cidr', ['2001::/32']),
    at: (g) => embeddedIpv4([(g[6] ?? 0) ^ 0xffff, (g[7] ?? 0) ^ 0xffff], 0),
  },
];

const IPV6: readonly AddressClass[] = [
  METADATA,
  define('loopback', 'cidr', ['::1/128']),
  define('unique local (ULA)', 'cidr-or-private', ['fc00::/7']),
  define('link-local', 'cidr', ['fe80::/10']),
  define('multicast', 'cidr', ['ff00::/8']),
  define('documentation', 'cidr', ['2001:db8::/32', '3fff::/20']),
  define('benchmarking', 'cidr', ['2001:2::/48']),
  define('protocol assignments', 'cidr', ['2001::/23']),
];
/** RFC 4291 section 2.4: only 2000::/3 is handed out for use on the internet. */
const GLOBAL_UNICAST = knownCidr('2000::/3');
const RESERVED = define('reserved', 'cidr', ['::/3', '4000::/2', '8000::/1']);

/** By first octet: 1 where some class lies under it, so that most addresses are settled by one look. */
const FIRST_OCTETS = new Uint8Array(256);
for (const { base, length } of IPV4.flatMap(({ ranges }) => ranges)) {
  if (base.version === 4)
    FIRST_OCTETS.fill(1, base.number >>> 24, (base.number >>> 24) + 2 ** Math.max(0, 8 - length));
}

/** The special class of an address, or null for an ordinary public one. */
export function classOf(address: Address): AddressClass | null {
  if (address.version === 4) {
    return FIRST_OCTETS[address.number >>> 24] === 1 ? find(IPV4, address) : null;
  }
  for (const embedding of EMBEDDINGS) {
    if (!holds(embedding.class, address)) continue;
    const inner = classOf(embedding.at(address.groups));
    if (inner === null) return embedding.class;
    return {
      ...embedding.class,
      name: `${embedding.class.name} of ${inner.name}`,
      opening: EMBEDDED_SPECIAL,
    };
  }
  return find(IPV6, address) ?? (cidrHolds(GLOBAL_UNICAST, address) ? null : RESERVED);
}

/** True where one of a rule's prefixes is made for this class and holds the address. */
export function opensByCidr(special: AddressClass, cidrs: readonly Cidr[], address: Address): boolean {
  return cidrs.some((cidr) => {
    if (!cidrHolds(cidr, address)) return false;
    if (special.opening === 'address-alone') return cidr.length === (address.version === 4 ? 32 : 128);
    return special.ranges.some((range) => cidrWithin(cidr, range));
  });
}

function find(classes: readonly AddressClass[], address: Address): AddressClass | null {
  return classes.find((candidate) => holds(candidate, address)) ?? null;
}

function holds(candidate: AddressClass, address: Address): boolean {
  return candidate.ranges.some((range) => cidrHolds(range, address));
}

function define(name: string, opening: AddressClass['opening'], ranges: readonly string[]): AddressClass {
  return { name, opening, ranges: ranges.map(knownCidr) };
}
