import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { openAuthority } from '../certificates/authority-directory.ts';
import { replaceableAuthority } from '../certificates/replaceable-authority.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import type { Policy } from '../policy/types.ts';
import type { ListenAddress } from '../proxy/types.ts';
import { CommandError, exitCodes, messageOf } from './command-error.ts';
import { controlToken } from './control-token.ts';
import { tallyText } from './decision-tally.ts';
import { type Engine, startEngine } from './engine.ts';
import { authorityOf, controlAddress, listenAddress } from './listen-address.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { reloadOnChange } from './policy-reload.ts';
import { nothingAllowedWarning, readPolicy, ruleCount, tellFaults } from './policy-source.ts';
import { makeDirectory, stateDirectory } from './private-directory.ts';
import { auditRotation, refuseUnrecorded, workspaceOf } from './run-command.ts';
import { addLogLevel, addUpstreamOptions, type LogLevel, type UpstreamOptions } from './runtime-options.ts';
import { writeError } from './terminal.ts';
import { upstreamTrust } from './upstream-trust.ts';

/** How long open requests may take to end once the service was told to stop. */
const drainMs = 10_000;

export interface SidecarOptions extends PolicyOptions, UpstreamOptions {
  readonly listen: ListenAddress;
  readonly control: ListenAddress | { readonly path: string };
  readonly controlTokenFile?: string;
  readonly auditFile?: string;
  readonly caDir?: string;
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
      ),
    )
    .addOption(
      new Option('--ca-dir <dir>', 'holds ca.pem, ca-key.pem (0600) and bundle.pem').default(
        undefined,
        '~/.local/state/boundary/ca',
      ),
    );
  addLogLevel(command);
  return addUpstreamOptions(command);
}

/** Runs the proxy as a service until SIGTERM or SIGINT. Resolves to the exit code; throws where it cannot start. */
export async function sidecarCommand(options: SidecarOptions, env: NodeJS.ProcessEnv): Promise<number> {
  // A signal that arrives while things start still ends them in order.
  const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const request = { options, env, upstreamProxy: options.upstreamProxy !== undefined };
  const reading = readPolicy(request);
  if (!reading.result.ok) {
    tellFaults(reading.result.faults);
    throw new CommandError('the policy has faults (above); not started');
  }
  const { policy, warnings, settings } = reading.result;
  refuseConfining(policy);
  tellFaults(warnings, 'warning: ');
  if (policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(reading.path, env)}`);

  const logLevel =
    options.logLevel ?? settings.logLevel ?? (options.auditFile === undefined ? 'info' : 'warn');
  if (options.auditFile === undefined) refuseUnrecorded(policy, logLevel);
  const caDirectory = options.caDir ?? caDirectoryOf(env);
  makeDirectory(caDirectory, 'the certificate authority (--ca-dir)');
  if (options.auditFile !== undefined) makeDirectory(dirname(options.auditFile), '--audit-file');
  const trust = upstreamTrust(options.upstreamCa);
  const openDirectory = () => authorityIn(caDirectory, trust.corporate);
  const { authority, replace } = replaceableAuthority(openDirectory());
  const upstreamProxy = options.upstreamProxy ?? settings.upstreamProxy;
  const engine = await startEngine({
    policy,
    warnings,
    authority,
    listen: options.listen,
    upstreamRoots: trust.roots,
    upstreamProxy,
    control: { listen: options.control, token: controlToken(options.controlTokenFile, caDirectory) },
    audit: {
      ...workspaceOf(env),
      stderr: { colour: isatty(2), level: logLevel },
      ...(options.auditFile === undefined ? {} : { file: { path: options.auditFile, ...auditRotation } }),
    },
  });
  const reload = keepPolicyFresh(engine, reading.path, request, upstreamProxy);
  const onHangUp = () => {
    reload.now();
    renewedAuthority(authority, openDirectory, replace);
  };
  process.on('SIGHUP', onHangUp);
  writeError(
    `boundary: ready; proxy on ${authorityOf(engine.address)}, control on ${engine.controlAddress}, trust bundle ${join(caDirectory, 'bundle.pem')}`,
  );

  await stop;
  writeError(`boundary: stopping; open requests have ${drainMs / 1000} s to end`);
  reload.close();
  await engine.close(drainMs);
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

/** @param upstreamProxy the one in use: whether a policy can be kept depends on who resolves names */
function keepPolicyFresh(
  engine: Engine,
  path: string | null,
  request: Parameters<typeof readPolicy>[0] & { readonly options: UpstreamOptions },
  upstreamProxy: string | undefined,
) {
  const refuse = (why: string) => {
    engine.metrics.policyReload('refused');
    writeError(`boundary: ${why}; the policy that was in force stays`);
  };
  return reloadOnChange({
    path,
    // The file that was found at the start, also where an earlier default has appeared since.
    read: () => readPolicy(path === null ? request : withConfig(request, path)).result,
    accepted({ policy, warnings, settings }) {
      if ((request.options.upstreamProxy ?? settings.upstreamProxy) !== upstreamProxy) {
        refuse('`upstream_proxy` changed, which takes a restart');
        return;
      }
      if (policy.confines.length > 0) {
        refuse(confinesMessage(policy));
        return;
      }
      engine.replacePolicy(policy, warnings);
      engine.metrics.policyReload('ok');
      tellFaults(warnings, 'warning: ');
      writeError(`boundary: policy reloaded; ${ruleCount(policy)}, sha256 ${policy.hash}`);
    },
    refused({ faults }) {
      tellFaults(faults);
      refuse('the new policy has faults (above)');
    },
  });
}

function withConfig(request: Parameters<typeof readPolicy>[0], config: string) {
  return { ...request, options: { ...request.options, config } };
}

function refuseConfining(policy: Policy): void {
  if (policy.confines.length > 0) throw new CommandError(confinesMessage(policy), exitCodes.failed);
}

function confinesMessage(policy: Policy): string {
  return `the policy uses ${policy.confines.map((key) => `\`${key}\``).join(' and ')}, which bind processes that boundary starts; a sidecar starts none and cannot enforce them: keep them in a policy of their own`;
}
