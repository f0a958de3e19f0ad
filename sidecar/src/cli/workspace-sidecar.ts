import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { CertificateAuthority } from '../certificates/types.ts';
import { urlTarget } from '../target/http-target.ts';
import { defaultPort } from '../target/target-text.ts';
import type { Endpoint } from '../target/types.ts';
import { writeClientTrust } from './client-trust.ts';
import { CommandError, messageOf } from './command-error.ts';
import type { WorkspaceOptions } from './engine.ts';
import { writeError } from './terminal.ts';

/** What a sidecar is told that stands behind a gate. */
export interface WorkspaceSidecarOptions {
  readonly gate?: string;
  readonly submissions?: string;
  readonly stateDir?: string;
  readonly trustDir?: string;
  readonly deployment?: string;
}

export function addWorkspaceSidecarOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--gate <dir>',
        'be the sidecar of a workspace: take its connections from the gate that shares this directory',
      ).env('BOUNDARY_GATE'),
    )
    .addOption(
      new Option(
        '--submissions <socket>',
        'take the policy from `boundary submit` over this unix socket, not from a file',
      ).env('BOUNDARY_SUBMISSIONS'),
    )
    .addOption(
      new Option(
        '--state-dir <dir>',
        'with --gate: where the CA, the names and the accepted policy are kept',
      ).env('BOUNDARY_STATE_DIR'),
    )
    .addOption(
      new Option(
        '--trust-dir <dir>',
        'with --gate: where the files are written that clients in the workspace trust',
      ).env('BOUNDARY_TRUST_DIR'),
    )
    .addOption(
      new Option(
        '--deployment <url>',
        'with --gate: the access URL of the deployment; its host and port always pass, unopened',
      ).env('BOUNDARY_DEPLOYMENT'),
    );
}

/** What the sidecar of a workspace has beside any sidecar. */
export interface WorkspaceParts {
  readonly caDirectory: string;
  readonly trustDirectory: string;
  /** Writes what clients have to trust, each file whole. */
  publishTrust(authority: CertificateAuthority, corporate: readonly string[]): void;
  engine(authority: CertificateAuthority): WorkspaceOptions;
}

/**
 * Reads what `--gate` needs; null without it.
 * @throws CommandError where something is missing or cannot be read
 */
export function workspaceParts(
  options: WorkspaceSidecarOptions,
  env: NodeJS.ProcessEnv,
): WorkspaceParts | null {
  const { gate, stateDir, trustDir } = options;
  if (gate === undefined) return null;
  if (stateDir === undefined || trustDir === undefined) {
    throw new CommandError(
      '--gate needs --state-dir (for the CA, names and policy) and --trust-dir (for what the workspace trusts)',
    );
  }
  const deployment = deploymentOf(options.deployment);
  const gateDirectory = gate;
  return {
    caDirectory: join(stateDir, 'ca'),
    trustDirectory: trustDir,
    publishTrust(authority, corporate) {
      try {
        mkdirSync(trustDir, { recursive: true });
        writeClientTrust(trustDir, authority, corporate);
      } catch (error) {
        throw new CommandError(
          `cannot write the trust bundle to ${trustDir}: ${messageOf(error)}; name a directory where user ${env.UID ?? process.getuid?.()} may write`,
        );
      }
    },
    engine: (authority) => ({
      gateDirectory,
      namesPath: join(stateDir, 'names'),
      deployment,
      caPem: () => authority.certificatePem,
      say: (line) => writeError(`boundary: ${line}`),
    }),
  };
}

/** Host and port of the deployment's access URL. @throws CommandError */
function deploymentOf(url: string | undefined): { url: string; endpoint: Endpoint } | null {
  if (url === undefined) return null;
  const target = urlTarget('GET', url);
  if (!target.ok) throw new CommandError(`--deployment ${url}: ${target.refusal.reason}`);
  const { host, hostKind, port } = target.value;
  const shown = port === defaultPort(target.value.scheme) ? host : `${host}:${port}`;
  return { url: `${target.value.scheme}://${shown}`, endpoint: { host, hostKind, port } };
}
