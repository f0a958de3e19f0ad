import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JAVA_TRUST_STORE_PASSWORD, writeJavaTrustStore } from '../certificates/java-trust-store.ts';
import { bundlePem } from '../certificates/trust-bundle.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import { type ClientTrust, wgetConfiguration } from './client-environment.ts';

/**
 * Writes what clients have to trust into a directory, all of it public, and says where.
 * @param corporate CA certificates (PEM) that upstreams are verified against beside the system's
 */
export function writeClientTrust(
  directory: string,
  authority: CertificateAuthority,
  corporate: readonly string[],
): ClientTrust {
  const path = (name: string) => join(directory, name);
  const bundle = bundlePem(authority, corporate);
  writeFileSync(path('bundle.pem'), bundle);
  writeFileSync(path('ca.pem'), [authority.certificatePem, ...corporate].map(endedLine).join(''));
  writeJavaTrustStore(path('trust-store.jks'), bundle);
  writeFileSync(path('wgetrc'), wgetConfiguration(path('bundle.pem'), systemWgetConfiguration()));
  return {
    bundlePath: path('bundle.pem'),
    caPath: path('ca.pem'),
    javaTrustStore: { path: path('trust-store.jks'), password: JAVA_TRUST_STORE_PASSWORD },
    wgetConfigurationPath: path('wgetrc'),
  };
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
