import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';

/** A certificate authority for tests, with upstreams' leaf certificates. Not the product's own: the two check each other. */
export interface TestCa {
  readonly caPem: string;
  /** A key and a certificate for names and addresses; valid from an hour ago for a day unless told. */
  issue(
    hosts: readonly string[],
    options?: { readonly notBefore?: Date; readonly notAfter?: Date },
  ): { key: string; cert: string };
}

const HOUR = 3_600_000;

/** node:crypto makes the pair in some 50 ms; node-forge would take seconds. */
function rsaPair(): {
  publicKey: forge.pki.rsa.PublicKey;
  privateKey: forge.pki.rsa.PrivateKey;
  pem: string;
} {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  return {
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
    pem: pair.privateKey,
  };
}

function blank(publicKey: forge.pki.rsa.PublicKey, notBefore: Date, notAfter: Date): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // A leading 00 to 7f keeps the number positive (RFC 5280, 4.1.2.2).
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = notBefore;
  certificate.validity.notAfter = notAfter;
  return certificate;
}

/** Makes a certificate authority whose key lives in this process alone. */
export function createTestCa(): TestCa {
  const caKeys = rsaPair();
  const leafKeys = rsaPair();
  const now = Date.now();
  const ca = blank(caKeys.publicKey, new Date(now - 48 * HOUR), new Date(now + 240 * HOUR));
  const name = [
    { name: 'commonName', value: `boundary test CA ${randomBytes(4).toString('hex')}` },
    { name: 'organizationName', value: 'boundary tests' },
  ];
  ca.setSubject(name);
  ca.setIssuer(name);
  ca.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  ca.sign(caKeys.privateKey, forge.md.sha256.create());
  return {
    caPem: forge.pki.certificateToPem(ca),
    issue(hosts, options = {}) {
      const leaf = blank(
        leafKeys.publicKey,
        options.notBefore ?? new Date(now - HOUR),
        options.notAfter ?? new Date(now + 24 * HOUR),
      );
      leaf.setSubject([{ name: 'commonName', value: hosts[0] ?? 'nobody' }]);
      leaf.setIssuer(ca.subject.attributes);
      leaf.setExtensions([
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          // GeneralName (RFC 5280, 4.2.1.6): 2 is dNSName, 7 is iPAddress.
          altNames: hosts.map((host) => (isIP(host) ? { type: 7, ip: host } : { type: 2, value: host })),
        },
        { name: 'subjectKeyIdentifier' },
        { name: 'authorityKeyIdentifier', keyIdentifier: ca.generateSubjectKeyIdentifier().getBytes() },
      ]);
      leaf.sign(caKeys.privateKey, forge.md.sha256.create());
      return { key: leafKeys.pem, cert: forge.pki.certificateToPem(leaf) };
    },
  };
}
