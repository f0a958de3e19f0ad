/** What follows a class in a question (RFC 1035 section 3.2.2 and the IANA registry "DNS Parameters"). */
export const DNS_TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  RP: 17,
  SIG: 24,
  KEY: 25,
  AAAA: 28,
  LOC: 29,
  SRV: 33,
  NAPTR: 35,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  NSEC3: 50,
  TLSA: 52,
  CDS: 59,
  OPENPGPKEY: 61,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const;

export const DNS_CLASS_IN = 1;

/** How an answer ends (RFC 1035 section 4.1.1; BADVERS: RFC 6891 section 9). */
export const DNS_RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

export type DnsRcode = (typeof DNS_RCODE)[keyof typeof DNS_RCODE];

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(DNS_TYPE).map(([name, number]) => [number, name]),
);

/** The name of a type, or `TYPE123` (RFC 3597 section 5). There are 65,536 of them: no label for a metric. */
export function dnsTypeText(type: number): string {
  return NAMES.get(type) ?? `TYPE${type}`;
}
