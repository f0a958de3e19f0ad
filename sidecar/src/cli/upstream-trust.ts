import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { splitPem, systemRoots } from '../certificates/trust-bundle.ts';
import { CommandError, messageOf, readFault } from './command-error.ts';

/** The certificates that upstreams are verified against. */
export interface UpstreamTrust {
  /** One PEM each: the system's roots, then those of `--upstream-ca`. */
  readonly roots: readonly string[];
  /** Those of `--upstream-ca` alone: clients need them too, for TLS that is passed unopened. */
  readonly corporate: readonly string[];
}

/** Reads `--upstream-ca`, a PEM file with one or more CA certificates. Throws CommandError where it has none. */
export function upstreamTrust(corporateFile: string | undefined): UpstreamTrust {
  const corporate = corporateFile === undefined ? [] : certificatesOf(corporateFile);
  return { roots: [...machineRoots(), ...corporate], corporate };
}

function machineRoots(): string[] {
  try {
    return systemRoots();
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
}

function certificatesOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`--upstream-ca ${file}: ${readFault(error)}`);
  }
  const certificates = splitPem(text);
  if (certificates.length === 0) {
    throw new CommandError(
      `${file} holds no certificate; --upstream-ca expects PEM, which begins with -----BEGIN CERTIFICATE-----`,
    );
  }
  for (const certificate of certificates) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw new CommandError(
        `${file} holds a certificate that cannot be read: ${messageOf(error)}; export it again as PEM`,
      );
    }
  }
  return certificates;
}
