import { createHash, X509Certificate } from 'node:crypto';
import { splitPem } from './trust-bundle.ts';
import { writeWhole } from './write-whole.ts';

/** The password that Java's own trust store has. It guards nothing: the store holds public certificates. */
export const JAVA_TRUST_STORE_PASSWORD = 'changeit';

const MAGIC = 0xfeedfeed;
const VERSION = 2;
const TRUSTED_CERTIFICATE = 2;
/** Part of the format: it is hashed between the password and the entries. */
const WHITENER = 'Mighty Aphrodite';

/**
 * Writes a Java trust store with every certificate of a PEM bundle, whole or not at all. The format is JKS, as in
 * the JDK's sun.security.provider.JavaKeyStore: every Java reads it, and unlike PKCS #12 it costs no key derivation.
 */
export function writeJavaTrustStore(path: string, bundlePem: string): void {
  writeWhole(path, encodeJavaTrustStore(bundlePem, new Date()), 0o644);
}

/** @param madeAt the date of every entry, in the store's own records alone */
export function encodeJavaTrustStore(bundlePem: string, madeAt: Date): Buffer {
  const certificates = splitPem(bundlePem).map((pem) => new X509Certificate(pem).raw);
  const entries = certificates.flatMap((certificate, index) => {
    const date = Buffer.alloc(8);
    date.writeBigInt64BE(BigInt(madeAt.getTime()));
    return [
      uint32(TRUSTED_CERTIFICATE),
      text(`boundary-${index}`),
      date,
      text('X.509'),
      uint32(certificate.length),
      certificate,
    ];
  });
  const body = Buffer.concat([uint32(MAGIC), uint32(VERSION), uint32(certificates.length), ...entries]);
  const password = Buffer.from(JAVA_TRUST_STORE_PASSWORD, 'utf16le').swap16();
  const digest = createHash('sha1').update(password).update(WHITENER).update(body).digest();
  return Buffer.concat([body, digest]);
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

/** Java's DataOutput.writeUTF, for ASCII. */
function text(value: string): Buffer {
  const octets = Buffer.alloc(2 + value.length, value, 'latin1');
  octets.write(value, 2, 'latin1');
  octets.writeUInt16BE(value.length);
  return octets;
}
