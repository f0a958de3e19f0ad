import { readFileSync } from 'node:fs';
import { getCACertificates, rootCertificates } from 'node:tls';
import type { CertificateAuthority } from './types.ts';

/** Where systems keep their roots in one file: Debian and Alpine, Red Hat, OpenSUSE, macOS and the BSDs. */
const ROOT_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The roots that this machine trusts, as PEM: those of SSL_CERT_FILE, which OpenSSL obeys too, else of the
 * system's file, else those that Node brings.
 * @throws Error where SSL_CERT_FILE is set and holds no certificate: to go on with other roots would be a guess
 */
export function systemRoots(env: NodeJS.ProcessEnv = process.env): string[] {
  const named = env.SSL_CERT_FILE;
  if (named) {
    const roots = readCertificates(named);
    if (roots.length > 0) return roots;
    throw new Error(
      `SSL_CERT_FILE names ${named}, where no certificate can be read. Correct the variable or unset it.`,
    );
  }
  for (const file of ROOT_FILES) {
    const roots = readCertificates(file);
    if (roots.length > 0) return roots;
  }
  const system = getCACertificates('system');
  return [...(system.length > 0 ? system : rootCertificates)];
}

/** The certificates in a PEM text, each ending with a line feed; whatever stands around them is left out. */
export function splitPem(text: string): string[] {
  return (text.match(PEM_CERTIFICATE) ?? []).map((certificate) => `${certificate.replaceAll('\r', '')}\n`);
}

/**
 * What a client has to trust: the boundary's own CA for the connections that are opened, and the machine's roots
 * (with a company's own, `extra`) for those that are passed.
 */
export function bundlePem(
  authority: Pick<CertificateAuthority, 'certificatePem'>,
  extra: readonly string[] = [],
): string {
  const all = [...systemRoots(), ...extra.flatMap(splitPem), authority.certificatePem];
  return [...new Set(all.map((pem) => (pem.endsWith('\n') ? pem : `${pem}\n`)))].join('');
}

function readCertificates(file: string): string[] {
  try {
    return splitPem(readFileSync(file, 'latin1'));
  } catch {
    return [];
  }
}
