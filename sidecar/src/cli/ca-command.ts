import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { renewAuthority } from '../certificates/authority-directory.ts';
import { CommandError, messageOf } from './command-error.ts';
import { caDirectoryOf } from './sidecar-command.ts';
import { writeError, writeOutput } from './terminal.ts';
import { upstreamTrust } from './upstream-trust.ts';

interface CaOptions {
  readonly caDir?: string;
  readonly upstreamCa?: string;
}

/** `boundary ca [print|fingerprint|path|renew]`: the certificate authority that `boundary sidecar` signs with. */
export function addCaCommand(program: Command, env: NodeJS.ProcessEnv): void {
  const ca = program
    .command('ca')
    .description('print or renew the certificate authority of a sidecar')
    .addHelpText(
      'after',
      `
Examples:
  boundary ca print --ca-dir /var/lib/boundary/ca > boundary-ca.pem
  boundary ca renew --ca-dir /var/lib/boundary/ca`,
    );
  const add = (
    name: string,
    description: string,
    action: (directory: string, options: CaOptions) => void,
  ) => {
    const command = ca
      .command(name, { isDefault: name === 'print' })
      .description(description)
      .option('--ca-dir <dir>', 'where the sidecar keeps it (default: ~/.local/state/boundary/ca)')
      .action((options: CaOptions) => action(options.caDir ?? caDirectoryOf(env), options));
    return command;
  };
  add('print', 'print the CA certificate as PEM (the default)', (directory) =>
    writeOutput(readCertificate(directory).text.trimEnd()),
  );
  add('fingerprint', 'print its SHA-256 fingerprint and when it ends', (directory) => {
    const { certificate } = readCertificate(directory);
    writeOutput(`${certificate.fingerprint256}  until ${certificate.validToDate.toISOString().slice(0, 10)}`);
  });
  add('path', 'print the path of the trust bundle for clients', (directory) => {
    readCertificate(directory);
    writeOutput(join(directory, 'bundle.pem'));
  });
  add('renew', 'replace it by a new one; send the sidecar SIGHUP afterwards', (directory, options) => {
    readCertificate(directory);
    renew(directory, options.upstreamCa);
  }).option('--upstream-ca <file>', 'also put the CA certificates of this PEM file into the bundle');
}

function renew(directory: string, upstreamCa: string | undefined): void {
  try {
    const authority = renewAuthority(directory, { extraRoots: upstreamTrust(upstreamCa).corporate });
    writeOutput(authority.fingerprint);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(messageOf(error));
  }
  writeError(
    'boundary: renewed; send the sidecar SIGHUP (it signs with the old one until then), and have clients read bundle.pem again',
  );
}

function readCertificate(directory: string): { text: string; certificate: X509Certificate } {
  const path = join(directory, 'ca.pem');
  if (!existsSync(path)) {
    throw new CommandError(
      `there is no certificate authority in ${directory}; \`boundary sidecar --ca-dir ${directory}\` makes one, or name another with --ca-dir`,
    );
  }
  try {
    const text = readFileSync(path, 'utf8');
    return { text, certificate: new X509Certificate(text) };
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${messageOf(error)}`);
  }
}
