import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { JAVA_TRUST_STORE_PASSWORD, writeJavaTrustStore } from '../certificates/java-trust-store.ts';
import { bundlePem } from '../certificates/trust-bundle.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import { writeWhole } from '../certificates/write-whole.ts';
import { type ClientTrust, wgetConfiguration } from './client-environment.ts';

/** Where in a directory {@link writeClientTrust} puts what clients have to trust. */
export function clientTrustIn(directory: string) {
  const path = (name: string) => join(directory, name);
  return {
    bundlePath: path('bundle.pem'),
    caPath: path('ca.pem'),
    javaTrustStore: { path: path('truststore.jks'), password: JAVA_TRUST_STORE_PASSWORD },
    wgetConfigurationPath: path('wgetrc'),
  } satisfies ClientTrust;
}

/**
 * Writes what clients have to trust into a directory, all of it public, and says where.
 * @param corporate CA certificates (PEM) that upstreams are verified against beside the system's
 */
export function writeClientTrust(
  directory: string,
  authority: CertificateAuthority,
  corporate: readonly string[],
): ClientTrust {
  const trust = clientTrustIn(directory);
  const bundle = bundlePem(authority, corporate);
  // Whole, since clients read meanwhile; and never through a link that somebody put in the place of a file.
  const write = (path: string, text: string) => writeWhole(path, text, 0o644);
  write(trust.bundlePath, bundle);
  write(trust.caPath, [authority.certificatePem, ...corporate].map(endedLine).join(''));
  writeJavaTrustStore(trust.javaTrustStore.path, bundle);
  write(trust.wgetConfigurationPath, wgetConfiguration(trust.bundlePath, systemWgetConfiguration()));
  return trust;
}

function endedLine(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}

function systemWgetConfiguration(): string {
  try {
    return readFileSync('/etc/wgetrc', 'utf8');
  } catch {
    return '';
  }
}
