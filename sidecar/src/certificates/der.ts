import forge from 'node-forge';

/** DER values (X.690) as node-forge's encoder takes them: a string holds one octet per character. */
export type Der = forge.asn1.Asn1;

const { Class, Type } = forge.asn1;

export const sequence = (...items: Der[]): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items);

export const set = (...items: Der[]): Der => forge.asn1.create(Class.UNIVERSAL, Type.SET, true, items);

export const objectId = (dotted: string): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(dotted).getBytes());

/** @param octets big-endian two's complement, minimal */
export const integer = (octets: Uint8Array): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.INTEGER, false, binary(octets));

export const TRUE: Der = forge.asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, '\xff');

export const octetString = (octets: Uint8Array): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary(octets));

/** @param unused how many bits at the end of the last octet do not count */
export const bitString = (octets: Uint8Array, unused = 0): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unused) + binary(octets));

export const utf8String = (text: string): Der =>
  forge.asn1.create(Class.UNIVERSAL, Type.UTF8, false, forge.util.encodeUtf8(text));

/** An implicitly tagged value: its octets under a tag of the context. */
export const tagged = (tag: number, octets: Uint8Array): Der =>
  forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, false, binary(octets));

/** An explicitly tagged value: the value itself inside a tag of the context. */
export const wrapped = (tag: number, value: Der): Der =>
  forge.asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [value]);

/** UTCTime until 2049 and GeneralizedTime from 2050, as RFC 5280 section 4.1.2.5 wants it. */
export function time(date: Date): Der {
  return date.getUTCFullYear() < 2050
    ? forge.asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, forge.asn1.dateToUtcTime(date))
    : forge.asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, forge.asn1.dateToGeneralizedTime(date));
}

export function toDer(value: Der): Buffer {
  return Buffer.from(forge.asn1.toDer(value).getBytes(), 'latin1');
}

/** @throws Error where the octets are no DER */
export function fromDer(octets: Uint8Array): Der {
  return forge.asn1.fromDer(binary(octets));
}

/** The parts of a constructed value; empty for a primitive one. */
export function parts(value: Der | undefined): readonly Der[] {
  return Array.isArray(value?.value) ? value.value : [];
}

/** The octets of a primitive value; empty for a constructed one. */
export function octetsOf(value: Der | undefined): Buffer {
  return Buffer.from(typeof value?.value === 'string' ? value.value : '', 'latin1');
}

function binary(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
}
