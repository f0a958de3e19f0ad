import { DNS_RCODE, DNS_TYPE } from './dns-codes.ts';
import { parseHost } from './host.ts';

/** What an answer repeats of the message that it answers. */
export interface DnsHeader {
  readonly id: number;
  readonly opcode: number;
  /** RD, repeated as it came (RFC 1035 section 4.1.1). */
  readonly recursionDesired: boolean;
  /** CD, repeated as it came (RFC 4035 section 3.2.2). */
  readonly checkingDisabled: boolean;
}

/** What a message says of the sender's EDNS (RFC 6891). */
export interface Edns {
  readonly version: number;
  /** Octets that the sender takes over UDP; less than 512 means 512. */
  readonly udpSize: number;
  /** DO, repeated as it came (RFC 3225 section 3). */
  readonly dnssecOk: boolean;
}

/** One well-formed question. Whether its class and type are answered is for others to say. */
export interface DnsQuestion extends DnsHeader {
  readonly kind: 'question';
  /** Canonical as `Endpoint.host`, or null where the name is no host name: other octets, an address, the root. */
  readonly name: string | null;
  /** The name as it came, in the text form of RFC 1035 section 5.1, without the last dot; `.` for the root. */
  readonly asked: string;
  readonly type: number;
  readonly class: number;
  /** The octets of the question: an answer holds the same, the case of each letter included. */
  readonly octets: Uint8Array;
  readonly edns: Edns | null;
}

export type DnsReading =
  | DnsQuestion
  /** Answered with this code and nothing else. */
  | (DnsHeader & {
      readonly kind: 'error';
      readonly rcode: typeof DNS_RCODE.FORMERR | typeof DNS_RCODE.NOTIMP;
      readonly reason: string;
    })
  /** Not answered at all. */
  | { readonly kind: 'drop'; readonly reason: string };

const HEADER = 12;
const LONGEST_LABEL = 63;
/** RFC 1035 section 2.3.4, the octet of each length and the last one, which is 0, counted. */
const LONGEST_NAME = 255;
const HOST_LABEL = /^[A-Za-z0-9_-]+$/;

/**
 * Reads a message that asks one question (RFC 1035 section 4.1, RFC 9619).
 *
 * An answer (QR) is dropped: to answer it would let two servers talk to each other for ever. So is what is too short
 * for a header. Everything has to be as the counts of the header say: octets that follow the last record are a
 * FORMERR, because nothing says what they are. Compression in the question is refused: there is nothing before it
 * that it could point to but itself.
 */
export function readDnsQuestion(message: Uint8Array): DnsReading {
  if (message.length < HEADER) return { kind: 'drop', reason: 'The message is shorter than a DNS header.' };
  const reader = new Reader(Buffer.from(message.buffer, message.byteOffset, message.length));
  const id = reader.number(2);
  const flags = reader.number(2);
  if ((flags & 0x8000) !== 0) return { kind: 'drop', reason: 'The message is an answer, not a question.' };
  const header: DnsHeader = {
    id,
    opcode: (flags >> 11) & 0xf,
    recursionDesired: (flags & 0x0100) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
  };
  if (header.opcode !== 0) {
    const reason = `The opcode is ${header.opcode}; only questions (opcode 0) are answered.`;
    return { ...header, kind: 'error', rcode: DNS_RCODE.NOTIMP, reason };
  }
  try {
    return readSections(header, reader);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { ...header, kind: 'error', rcode: DNS_RCODE.FORMERR, reason: error.message };
  }
}

function readSections(header: DnsHeader, reader: Reader): DnsQuestion {
  const questions = reader.number(2);
  const answers = reader.number(2);
  const authorities = reader.number(2);
  const additionals = reader.number(2);
  if (questions !== 1) throw new Malformed(`The message asks ${questions} questions, not one.`);
  const start = reader.at;
  const labels = readName(reader);
  const type = reader.number(2);
  const queryClass = reader.number(2);
  const octets = reader.since(start);
  // Of what is no update, only a question for an incremental transfer brings a record along (RFC 1995 section 3).
  if (answers > 0 || (authorities > 0 && type !== DNS_TYPE.IXFR))
    throw new Malformed('A question came with answers.');
  let edns: Edns | null = null;
  for (let left = authorities; left > 0; left--) readRecord(reader);
  for (let left = additionals; left > 0; left--) {
    const found = readRecord(reader);
    if (found === null) continue;
    if (edns !== null) throw new Malformed('There is more than one OPT record.');
    edns = found;
  }
  if (reader.left > 0) throw new Malformed(`${reader.left} octets follow the last record.`);
  return { ...header, kind: 'question', ...nameOf(labels), type, class: queryClass, octets, edns };
}

/** The labels of an uncompressed name, one character per octet. */
function readName(reader: Reader): string[] {
  const labels: string[] = [];
  let length = 1;
  for (;;) {
    const size = reader.number(1);
    if (size === 0) return labels;
    if (size > LONGEST_LABEL)
      throw new Malformed('The name is compressed, or a label is longer than 63 octets.');
    length += size + 1;
    if (length > LONGEST_NAME) throw new Malformed('The name is longer than 255 octets.');
    labels.push(reader.text(size));
  }
}

function nameOf(labels: readonly string[]): Pick<DnsQuestion, 'name' | 'asked'> {
  if (labels.length === 0) return { name: null, asked: '.' };
  if (labels.every((label) => HOST_LABEL.test(label))) {
    const asked = labels.join('.');
    const host = parseHost(asked);
    return { name: host.ok && host.value.hostKind === 'name' ? host.value.host : null, asked };
  }
  return { name: null, asked: labels.map(escaped).join('.') };
}

function escaped(label: string): string {
  return label.replace(/[^\x21-\x7e]|[.\\"();@$]/g, (character) =>
    character > ' ' && character < '\x7f'
      ? `\\${character}`
      : `\\${character.charCodeAt(0).toString().padStart(3, '0')}`,
  );
}

/** Passes over one resource record (RFC 1035 section 4.1.3); what an OPT says, null for any other. */
function readRecord(reader: Reader): Edns | null {
  const named = skipOwner(reader);
  const type = reader.number(2);
  const udpSize = reader.number(2);
  reader.number(1); // the upper octet of an answer's code
  const version = reader.number(1);
  const flags = reader.number(2);
  const data = reader.inner(reader.number(2));
  if (type !== DNS_TYPE.OPT) return null;
  if (named) throw new Malformed('The OPT record has a name.');
  while (data.left > 0) {
    data.number(2); // the code of an option: none of them changes what is answered
    data.inner(data.number(2));
  }
  return { version, udpSize: Math.max(udpSize, 512), dnssecOk: (flags & 0x8000) !== 0 };
}

/** Passes over the owner of a record, which may end in a pointer: that is not followed. False for the root. */
function skipOwner(reader: Reader): boolean {
  for (let labels = 0; ; labels++) {
    const size = reader.number(1);
    if (size === 0) return labels > 0;
    if (size >= 0xc0) {
      reader.number(1);
      return true;
    }
    if (size > LONGEST_LABEL) throw new Malformed('A label is of an unknown kind.');
    reader.inner(size);
  }
}

class Malformed extends Error {}

/** Big-endian numbers and stretches of octets, with every bound checked. */
class Reader {
  readonly #octets: Buffer;
  readonly #end: number;
  at: number;

  constructor(octets: Buffer, at = 0, end = octets.length) {
    this.#octets = octets;
    this.at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.at;
  }

  number(width: number): number {
    return this.#octets.readUIntBE(this.#pass(width), width);
  }

  inner(length: number): Reader {
    const start = this.#pass(length);
    return new Reader(this.#octets, start, this.at);
  }

  /** One character per octet. */
  text(length: number): string {
    const start = this.#pass(length);
    return this.#octets.toString('latin1', start, this.at);
  }

  since(start: number): Uint8Array {
    return this.#octets.subarray(start, this.at);
  }

  #pass(length: number): number {
    if (length > this.left) throw new Malformed('The message ends before what its lengths announce.');
    const start = this.at;
    this.at += length;
    return start;
  }
}
