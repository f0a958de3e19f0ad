import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { openAuthority } from '../certificates/authority-directory.ts';
import { replaceableAuthority } from '../certificates/replaceable-authority.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import type { ListenAddress } from '../proxy/types.ts';
import { CommandError, messageOf } from './command-error.ts';
import { controlToken } from './control-token.ts';
import { tallyText } from './decision-tally.ts';
import { startEngine } from './engine.ts';
import { notingFatal } from './fatal-note.ts';
import { authorityOf, controlAddress, listenAddress } from './listen-address.ts';
import { policyOfFiles } from './policy-of-files.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { makeDirectory, stateDirectory } from './private-directory.ts';
import { auditRotation, refuseUnrecorded, workspaceOf } from './run-command.ts';
import { addLogLevel, addUpstreamOptions, type LogLevel, type UpstreamOptions } from './runtime-options.ts';
import { submittedPolicies } from './submitted-policies.ts';
import { writeError } from './terminal.ts';
import { upstreamTrust } from './upstream-trust.ts';
import {
  addWorkspaceSidecarOptions,
  type WorkspaceSidecarOptions,
  workspaceParts,
} from './workspace-sidecar.ts';

/** How long open requests may take to end once the service was told to stop. */
const drainMs = 10_000;
/** The same where new connections wait at a gate meanwhile, whose patience is 10 s. */
const workspaceDrainMs = 5_000;

export interface SidecarOptions extends PolicyOptions, UpstreamOptions, WorkspaceSidecarOptions {
  readonly listen: ListenAddress;
  readonly control: ListenAddress | { readonly path: string };
  readonly controlTokenFile?: string;
  readonly auditFile?: string;
  readonly auditStdout?: boolean;
  readonly caDir?: string;
  readonly metrics?: ListenAddress;
  readonly logLevel?: LogLevel;
}

export function addSidecarOptions(command: Command): Command {
  addPolicyOptions(command, true);
  command
    .addOption(
      new Option('--listen <host:port>', 'where the proxy listens')
        .argParser(listenAddress)
        .default({ host: '127.0.0.1', port: 8080 }, '127.0.0.1:8080'),
    )
    .addOption(
      new Option(
        '--control <host:port>',
        'where health, metrics and the control API listen: loopback, or the path of a unix socket',
      )
        .argParser(controlAddress)
        .default({ host: '127.0.0.1', port: 9090 }, '127.0.0.1:9090'),
    )
    .addOption(
      new Option(
        '--control-token-file <file>',
        'the token that /v1 asks for; by default control-token in the CA directory, made when missing',
      ),
    )
    .addOption(
      new Option(
        '--audit-file <file>',
        'append the audit log to this file and rotate it; else it goes to stderr',
      ).env('BOUNDARY_AUDIT_FILE'),
    )
    .addOption(
      new Option('--audit-stdout', 'write the audit log to standard output as well, as JSON lines').env(
        'BOUNDARY_AUDIT_STDOUT',
      ),
    )
    .addOption(
      new Option(
        '--metrics <host:port>',
        'where metrics and health are served to other machines, and nothing else',
      )
        .argParser(listenAddress)
        .env('BOUNDARY_METRICS'),
    )
    .addOption(
      new Option('--ca-dir <dir>', 'holds ca.pem, ca-key.pem (0600) and bundle.pem').default(
        undefined,
        '~/.local/state/boundary/ca',
      ),
    );
  addWorkspaceSidecarOptions(command);
  addLogLevel(command);
  return addUpstreamOptions(command);
}

/** Runs the proxy as a service until SIGTERM or SIGINT. Resolves to the exit code; throws where it cannot start. */
export function sidecarCommand(options: SidecarOptions, env: NodeJS.ProcessEnv): Promise<number> {
  return notingFatal(options.submissions, () => runSidecar(options, env));
}

async function runSidecar(options: SidecarOptions, env: NodeJS.ProcessEnv): Promise<number> {
  // A signal that arrives while things start still ends them in order.
  const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const workspace = workspaceParts(options, env);
  const { submissions } = options;
  const origin =
    submissions === undefined
      ? policyOfFiles(options, env)
      : submittedPolicies({ ...options, submissions }, env);
  const { policy, warnings, settings } = origin.first;
  const logLevel =
    options.logLevel ?? settings.logLevel ?? (options.auditFile === undefined ? 'info' : 'warn');
  const recorded = options.auditFile !== undefined || options.auditStdout === true;
  if (!recorded) refuseUnrecorded(policy, logLevel);
  const caDirectory = options.caDir ?? workspace?.caDirectory ?? caDirectoryOf(env);
  makeDirectory(caDirectory, 'the certificate authority (--ca-dir)');
  if (options.auditFile !== undefined) makeDirectory(dirname(options.auditFile), '--audit-file');
  const trust = upstreamTrust(options.upstreamCa);
  const openDirectory = () => authorityIn(caDirectory, trust.corporate);
  const { authority, replace } = replaceableAuthority(openDirectory());
  const publish = () => workspace?.publishTrust(authority, trust.corporate);
  publish();
  const upstreamProxy = options.upstreamProxy ?? settings.upstreamProxy;
  const engine = await startEngine({
    policy,
    warnings,
    authority,
    listen: options.listen,
    upstreamRoots: trust.roots,
    upstreamProxy,
    metricsListen: options.metrics,
    workspace: workspace?.engine(authority),
    control: { listen: options.control, token: controlToken(options.controlTokenFile, caDirectory) },
    audit: {
      ...workspaceOf(env),
      stderr: { colour: isatty(2), level: logLevel },
      stdout: options.auditStdout === true,
      ...(options.auditFile === undefined ? {} : { file: { path: options.auditFile, ...auditRotation } }),
    },
  });
  const policies = await origin.follow(engine, upstreamProxy).catch(async (error: unknown) => {
    await engine.close(0);
    throw error;
  });
  const onHangUp = () => {
    policies.now();
    renewedAuthority(authority, openDirectory, replace);
    try {
      publish();
    } catch (error) {
      writeError(`boundary: ${messageOf(error)}; the files that were there stay`);
    }
  };
  process.on('SIGHUP', onHangUp);
  writeError(
    `boundary: ready; proxy on ${authorityOf(engine.address)}, control on ${engine.controlAddress}${
      engine.metricsAddress === null ? '' : `, metrics on ${authorityOf(engine.metricsAddress)}`
    }, trust bundle ${join(workspace?.trustDirectory ?? caDirectory, 'bundle.pem')}`,
  );

  await stop;
  const grace = workspace === null ? drainMs : workspaceDrainMs;
  writeError(`boundary: stopping; open requests have ${grace / 1000} s to end`);
  await policies.close();
  await engine.close(grace);
  process.removeListener('SIGHUP', onHangUp);
  writeError(`boundary: stopped; ${tallyText(engine.tally)}`);
  return 0;
}

/** Where `sidecar` and `ca` keep the certificate authority unless told. */
export function caDirectoryOf(env: NodeJS.ProcessEnv): string {
  return join(stateDirectory(env), 'ca');
}

function authorityIn(directory: string, corporate: readonly string[]): CertificateAuthority {
  try {
    return openAuthority(directory, { extraRoots: corporate });
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
}

/** Takes up what `boundary ca renew` left in the directory. What cannot be read leaves the old one in force. */
function renewedAuthority(
  inForce: CertificateAuthority,
  open: () => CertificateAuthority,
  replace: (next: CertificateAuthority) => void,
): void {
  try {
    const next = open();
    if (next.fingerprint === inForce.fingerprint) return;
    replace(next);
    writeError(`boundary: certificate authority replaced; its fingerprint is ${next.fingerprint}`);
  } catch (error) {
    writeError(`boundary: ${messageOf(error)}; the certificate authority that was in force stays`);
  }
}
