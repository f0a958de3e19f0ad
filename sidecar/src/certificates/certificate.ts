import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import {
  bitString,
  type Der,
  fromDer,
  integer,
  objectId,
  octetString,
  octetsOf,
  parts,
  sequence,
  set,
  TRUE,
  tagged,
  time,
  toDer,
  utf8String,
  wrapped,
} from './der.ts';

/** Who signs: a P-256 key, and what its certificate says of it. */
export interface Issuer {
  readonly key: KeyObject;
  /** The subject of its certificate. */
  readonly name: Der;
  /** The subject key identifier of its certificate. */
  readonly keyId: Buffer;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const COMMON_NAME = '2.5.4.3';
const ORGANISATION = '2.5.4.10';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const SUBJECT_KEY_ID = '2.5.29.14';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const AUTHORITY_KEY_ID = '2.5.29.35';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
/** RFC 5280 appendix A.1, ub-common-name */
const LONGEST_COMMON_NAME = 64;

/**
 * A self-signed CA certificate (RFC 5280) that may sign leaves alone: pathLen 0, key usage for certificates and
 * revocation lists only.
 * @param label told apart from other runs' CAs by it, in a store that somebody put several into
 */
export function encodeCaCertificate(label: string, pair: KeyPair, validity: Validity): Buffer {
  const name = distinguishedName([ORGANISATION, 'boundary'], [COMMON_NAME, `boundary CA ${label}`]);
  const keyId = keyIdOf(pair.publicKey);
  return encode({ key: pair.privateKey, name, keyId }, name, pair.publicKey, validity, [
    extension(BASIC_CONSTRAINTS, sequence(TRUE, integer(Uint8Array.of(0))), true),
    // Bits 5 (keyCertSign) and 6 (cRLSign); the last bit stays unused.
    extension(KEY_USAGE, bitString(Uint8Array.of(0b0000_0110), 1), true),
    extension(SUBJECT_KEY_ID, octetString(keyId)),
  ]);
}

/**
 * A server's leaf certificate for exactly one host: a canonical name or address, which stands in the subject
 * alternative name alone where it counts, and in the common name for people's eyes.
 */
export function encodeLeafCertificate(
  host: string,
  publicKey: KeyObject,
  validity: Validity,
  issuer: Issuer,
): Buffer {
  // GeneralName (RFC 5280 section 4.2.1.6): 2 is dNSName, 7 is iPAddress.
  const altName = isIP(host)
    ? tagged(7, Uint8Array.from(ipaddr.parse(host).toByteArray()))
    : tagged(2, Buffer.from(host, 'latin1'));
  const name =
    host.length <= LONGEST_COMMON_NAME
      ? distinguishedName([ORGANISATION, 'boundary'], [COMMON_NAME, host])
      : distinguishedName([ORGANISATION, 'boundary']);
  return encode(issuer, name, publicKey, validity, [
    extension(BASIC_CONSTRAINTS, sequence(), true),
    // Bit 0, digitalSignature: all that an elliptic key does in TLS.
    extension(KEY_USAGE, bitString(Uint8Array.of(0b1000_0000), 7), true),
    extension(EXTENDED_KEY_USAGE, sequence(objectId(SERVER_AUTH))),
    extension(SUBJECT_ALT_NAME, sequence(altName)),
    extension(SUBJECT_KEY_ID, octetString(keyIdOf(publicKey))),
    extension(AUTHORITY_KEY_ID, sequence(tagged(0, issuer.keyId))),
  ]);
}

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/**
 * What a CA certificate says that its leaves repeat.
 * @throws Error where the certificate has no subject key identifier
 */
export function readIssuer(certificate: Uint8Array, key: KeyObject): Issuer {
  // TBSCertificate of version 3: version, serial, algorithm, issuer, validity, subject, key, extensions.
  const fields = parts(parts(fromDer(certificate))[0]);
  const name = fields[5];
  const wanted = octetsOf(objectId(SUBJECT_KEY_ID));
  const found = parts(parts(fields[7])[0]).find((item) => octetsOf(parts(item)[0]).equals(wanted));
  if (name === undefined || found === undefined) {
    throw new Error('the certificate has no subject key identifier; expected one that boundary made');
  }
  return { key, name, keyId: octetsOf(fromDer(octetsOf(parts(found).at(-1)))) };
}

export function toPem(certificate: Uint8Array): string {
  const lines = Buffer.from(certificate)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function encode(
  issuer: Issuer,
  subject: Der,
  publicKey: KeyObject,
  validity: Validity,
  extensions: Der[],
): Buffer {
  const algorithm = sequence(objectId(ECDSA_WITH_SHA256));
  const body = sequence(
    wrapped(0, integer(Uint8Array.of(2))), // version 3
    integer(serialNumber()),
    algorithm,
    issuer.name,
    sequence(time(validity.notBefore), time(validity.notAfter)),
    subject,
    fromDer(publicKey.export({ type: 'spki', format: 'der' })),
    wrapped(3, sequence(...extensions)),
  );
  return toDer(sequence(body, algorithm, bitString(sign('sha256', toDer(body), issuer.key))));
}

/** 126 random bits: positive, and of 16 octets whatever they are (RFC 5280 section 4.1.2.2 allows 20). */
function serialNumber(): Buffer {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets;
}

/** RFC 7093 section 2, method 1: the first 160 bits of the SHA-256 of the public key's bits. */
function keyIdOf(publicKey: KeyObject): Buffer {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  // The uncompressed point (SEC 1 section 2.3.3), which is what the certificate's bit string holds.
  const point = [Uint8Array.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')];
  return createHash('sha256').update(Buffer.concat(point)).digest().subarray(0, 20);
}

function distinguishedName(...attributes: readonly (readonly [string, string])[]): Der {
  return sequence(...attributes.map(([type, text]) => set(sequence(objectId(type), utf8String(text)))));
}

function extension(type: string, value: Der, critical = false): Der {
  return critical
    ? sequence(objectId(type), TRUE, octetString(toDer(value)))
    : sequence(objectId(type), octetString(toDer(value)));
}
