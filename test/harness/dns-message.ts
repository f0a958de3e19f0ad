/** Makes and reads DNS messages for tests, from RFC 1035 and RFC 6891, without a line of the program's own. */

export interface Asked {
  readonly id?: number;
  /** The 16 bits after the id; RD alone unless told. */
  readonly flags?: number;
  /** The name's octets on the wire, or a text whose labels are divided by dots. */
  readonly name?: string | Uint8Array;
  readonly type?: number;
  readonly class?: number;
  /** Counts of questions, answers, authorities and additionals, where they are to be other than what is there. */
  readonly counts?: readonly number[];
  /** Octets after the question. */
  readonly more?: Uint8Array;
  readonly edns?: {
    readonly size?: number;
    readonly version?: number;
    readonly flags?: number;
    readonly data?: Uint8Array;
  };
}

export const TYPES = {
  A: 1,
  NS: 2,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
};

/** A name of labels on the wire. */
export function wireName(labels: readonly (string | Uint8Array)[]): Buffer {
  const parts = labels.map((label) => Buffer.from(label as string, 'latin1'));
  return Buffer.concat([...parts.flatMap((part) => [Buffer.of(part.length), part]), Buffer.of(0)]);
}

export function dnsQuery(asked: Asked): Buffer {
  const {
    id = 0x1234,
    flags = 0x0100,
    name = 'a.example',
    type = TYPES.A,
    more = new Uint8Array(),
    edns,
  } = asked;
  const counts = asked.counts ?? [1, 0, 0, edns === undefined ? 0 : 1];
  const wire = typeof name === 'string' ? wireName(name === '' ? [] : name.split('.')) : name;
  return Buffer.concat([
    numbers(id, flags, ...counts),
    wire,
    numbers(type, asked.class ?? 1),
    opt(edns),
    more,
  ]);
}

function opt(edns: Asked['edns']): Buffer {
  if (edns === undefined) return Buffer.alloc(0);
  const { size = 1232, version = 0, flags = 0, data = new Uint8Array() } = edns;
  return Buffer.concat([
    Buffer.of(0),
    numbers(TYPES.OPT, size),
    Buffer.of(0, version),
    numbers(flags, data.length),
    data,
  ]);
}

/** 16 bits each. */
export function numbers(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [(value >> 8) & 255, value & 255]));
}

export interface ReadRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  /** An address, a name, or hex. */
  readonly data: string;
}

export interface ReadAnswer {
  readonly id: number;
  readonly flags: readonly string[];
  readonly opcode: number;
  /** With the upper bits out of an OPT. */
  readonly rcode: string;
  /** `name type class`, the case of letters as it came. */
  readonly questions: readonly string[];
  readonly records: readonly ReadRecord[];
  readonly edns: { readonly size: number; readonly version: number; readonly flags: number } | null;
}

const FLAGS = {
  qr: 0x8000,
  aa: 0x0400,
  tc: 0x0200,
  rd: 0x0100,
  ra: 0x0080,
  z: 0x0040,
  ad: 0x0020,
  cd: 0x0010,
};
const RCODES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
};

/** Throws where the octets are no message, or where some are left over. */
export function readAnswer(octets: Buffer): ReadAnswer {
  let at = 12;
  const flags = octets.readUInt16BE(2);
  const [questionCount = 0, answers = 0, authorities = 0, additionals = 0] = [4, 6, 8, 10].map((place) =>
    octets.readUInt16BE(place),
  );

  function nameAt(start: number): { name: string; end: number } {
    const labels: string[] = [];
    let place = start;
    for (let size = octets.readUInt8(place); size !== 0; size = octets.readUInt8(place)) {
      if (size >= 0xc0) {
        const target = octets.readUInt16BE(place) & 0x3fff;
        if (target >= place) throw new Error('a pointer leads onwards');
        return { name: [...labels, nameAt(target).name].join('.'), end: place + 2 };
      }
      if (size > 63) throw new Error('a label is too long');
      labels.push(octets.toString('latin1', place + 1, place + 1 + size));
      place += 1 + size;
    }
    return { name: labels.join('.'), end: place + 1 };
  }

  function question(): string {
    const { name, end } = nameAt(at);
    at = end + 4;
    return `${name} ${octets.readUInt16BE(end)} ${octets.readUInt16BE(end + 2)}`;
  }

  function record(): ReadRecord {
    const { name, end } = nameAt(at);
    const type = octets.readUInt16BE(end);
    const start = end + 10;
    at = start + octets.readUInt16BE(end + 8);
    if (at > octets.length) throw new Error('a record is too long');
    const value = octets.subarray(start, at);
    const data =
      type === TYPES.A ? value.join('.') : type === TYPES.PTR ? nameAt(start).name : value.toString('hex');
    return { name, type, class: octets.readUInt16BE(end + 2), ttl: octets.readUInt32BE(end + 4), data };
  }

  const questions = Array.from({ length: questionCount }, question);
  const all = Array.from({ length: answers + authorities + additionals }, record);
  if (at !== octets.length) throw new Error(`${octets.length - at} octets are left over`);
  const found = all.find(({ type }) => type === TYPES.OPT);
  const code = (flags & 0xf) | (((found?.ttl ?? 0) >>> 24) << 4);
  return {
    id: octets.readUInt16BE(0),
    flags: Object.entries(FLAGS).flatMap(([name, bit]) => ((flags & bit) === 0 ? [] : [name])),
    opcode: (flags >> 11) & 0xf,
    rcode: RCODES[code] ?? String(code),
    questions,
    records: all.filter(({ type }) => type !== TYPES.OPT),
    edns:
      found === undefined
        ? null
        : { size: found.class, version: (found.ttl >> 16) & 255, flags: found.ttl & 0xffff },
  };
}
