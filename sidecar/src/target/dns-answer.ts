import { DNS_CLASS_IN, DNS_RCODE, DNS_TYPE, type DnsRcode } from './dns-codes.ts';
import type { DnsHeader, DnsQuestion } from './dns-question.ts';

/** The data of the one record that an answer may hold. */
export type DnsData =
  | { readonly type: 'A' /** four decimal octets */; readonly address: string }
  | { readonly type: 'PTR' /** canonical as `Endpoint.host` */; readonly name: string };

export interface DnsAnswer {
  readonly rcode: DnsRcode;
  /** Null: the answer is empty. */
  readonly data: DnsData | null;
  /** Seconds that the record may be kept; of no meaning without one. */
  readonly ttl: number;
}

const HEADER = 12;
const OPT_LENGTH = 11;
/** QR and RA. RA is set although nothing recurs: clients take an answer without it for a referral and go on asking. */
const ANSWER_FLAGS = 0x8080;
/** A pointer to the name in the question (RFC 1035 section 4.1.4), which so keeps the case of its letters. */
const NAME_OF_THE_QUESTION = 0xc000 | HEADER;
/** What is said of our own UDP (RFC 6891 section 6.2.5): a size that no path cuts into fragments. */
const UDP_SIZE = 1232;

/**
 * The octets of an answer to `question` (RFC 1035 section 4.1).
 *
 * An empty answer has no SOA record, although RFC 2308 section 3 wants one: there is no zone that it could name, and
 * without it nobody keeps the emptiness, so that nothing has to wait once the data is there. None is over 512 octets
 * (the longest possible one has 324), so TC is never set. An OPT is in the answer where one was in the question.
 */
export function encodeDnsAnswer(question: DnsQuestion, { rcode, data, ttl }: DnsAnswer): Buffer {
  const record = data === null ? [] : encodeRecord(data, ttl);
  const opt = question.edns === null ? [] : encodeOpt(question.edns.dnssecOk, rcode);
  const counts = [1, data === null ? 0 : 1, 0, question.edns === null ? 0 : 1];
  return Buffer.concat([encodeHeader(question, rcode, counts), question.octets, ...record, ...opt]);
}

/** The header alone, for a message whose question could not be read. */
export function encodeDnsError(header: DnsHeader, rcode: DnsRcode): Buffer {
  return encodeHeader(header, rcode, [0, 0, 0, 0]);
}

function encodeHeader(header: DnsHeader, rcode: DnsRcode, counts: readonly number[]): Buffer {
  const { id, opcode, recursionDesired, checkingDisabled } = header;
  // The code's upper bits stand in the OPT; without one there is no code that has any.
  const code = rcode & 0xf;
  const flags =
    ANSWER_FLAGS | (opcode << 11) | (recursionDesired ? 0x0100 : 0) | (checkingDisabled ? 0x0010 : 0) | code;
  const octets = Buffer.alloc(HEADER);
  [id, flags, ...counts].forEach((field, index) => {
    octets.writeUInt16BE(field, index * 2);
  });
  return octets;
}

function encodeRecord(data: DnsData, ttl: number): Buffer[] {
  const value = data.type === 'A' ? Buffer.from(data.address.split('.').map(Number)) : encodeName(data.name);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(NAME_OF_THE_QUESTION, 0);
  head.writeUInt16BE(DNS_TYPE[data.type], 2);
  head.writeUInt16BE(DNS_CLASS_IN, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(value.length, 10);
  return [head, value];
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function encodeOpt(dnssecOk: boolean, rcode: DnsRcode): Buffer[] {
  const opt = Buffer.alloc(OPT_LENGTH);
  opt.writeUInt16BE(DNS_TYPE.OPT, 1);
  opt.writeUInt16BE(UDP_SIZE, 3);
  opt.writeUInt8(rcode >> 4, 5);
  opt.writeUInt16BE(dnssecOk ? 0x8000 : 0, 7);
  return [opt];
}

/** An answer that holds nothing but its code. */
export function emptyAnswer(rcode: DnsRcode = DNS_RCODE.NOERROR): DnsAnswer {
  return { rcode, data: null, ttl: 0 };
}
