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
/** What stands before the data of a record: its name as a pointer, type, class, TTL, length. */
const RECORD_HEAD = 12;
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
  const value = data === null ? null : encodeValue(data);
  const recordAt = HEADER + question.octets.length;
  const optAt = recordAt + (value === null ? 0 : RECORD_HEAD + value.length);
  const octets = Buffer.alloc(optAt + (question.edns === null ? 0 : OPT_LENGTH));
  writeHeader(octets, question, rcode);
  octets.writeUInt16BE(1, 4);
  octets.set(question.octets, HEADER);
  if (data !== null && value !== null) {
    octets.writeUInt16BE(1, 6);
    octets.writeUInt16BE(NAME_OF_THE_QUESTION, recordAt);
    octets.writeUInt16BE(DNS_TYPE[data.type], recordAt + 2);
    octets.writeUInt16BE(DNS_CLASS_IN, recordAt + 4);
    octets.writeUInt32BE(ttl, recordAt + 6);
    octets.writeUInt16BE(value.length, recordAt + 10);
    octets.set(value, recordAt + RECORD_HEAD);
  }
  if (question.edns !== null) {
    octets.writeUInt16BE(1, 10);
    octets.writeUInt16BE(DNS_TYPE.OPT, optAt + 1);
    octets.writeUInt16BE(UDP_SIZE, optAt + 3);
    octets.writeUInt8(rcode >> 4, optAt + 5);
    octets.writeUInt16BE(question.edns.dnssecOk ? 0x8000 : 0, optAt + 7);
  }
  return octets;
}

/** The header alone, for a message whose question could not be read. */
export function encodeDnsError(header: DnsHeader, rcode: DnsRcode): Buffer {
  const octets = Buffer.alloc(HEADER);
  writeHeader(octets, header, rcode);
  return octets;
}

function writeHeader(octets: Buffer, header: DnsHeader, rcode: DnsRcode): void {
  const { id, opcode, recursionDesired, checkingDisabled } = header;
  // The code's upper bits stand in the OPT; without one there is no code that has any.
  const repeated = (opcode << 11) | (recursionDesired ? 0x0100 : 0) | (checkingDisabled ? 0x0010 : 0);
  octets.writeUInt16BE(id, 0);
  octets.writeUInt16BE(ANSWER_FLAGS | repeated | (rcode & 0xf), 2);
}

function encodeValue(data: DnsData): Uint8Array {
  if (data.type === 'A') return Buffer.from(data.address.split('.').map(Number));
  const labels = data.name
    .split('.')
    .flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  return Buffer.concat([...labels, Buffer.of(0)]);
}

/** An answer that holds nothing but its code. */
export function emptyAnswer(rcode: DnsRcode = DNS_RCODE.NOERROR): DnsAnswer {
  return { rcode, data: null, ttl: 0 };
}
