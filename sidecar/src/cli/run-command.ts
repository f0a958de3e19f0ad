import { join } from 'node:path';
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { createAuthority } from '../certificates/create-authority.ts';
import type { Policy } from '../policy/types.ts';
import { runChild } from './child.ts';
import { clientEnvironment } from './client-environment.ts';
import { writeClientTrust } from './client-trust.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { addContainerOptions, type ContainerOptions, refuseWithoutContainer } from './container-options.ts';
import { logText, tallyText } from './decision-tally.ts';
import { type EngineOptions, startEngine } from './engine.ts';
import { authorityOf } from './listen-address.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { nothingAllowedWarning, readPolicy, tellFaults } from './policy-source.ts';
import { makeDirectory, stateDirectory, temporaryDirectory } from './private-directory.ts';
import {
  addLogLevel,
  addUpstreamOptions,
  type LogLevel,
  proxyPortOption,
  type UpstreamOptions,
} from './runtime-options.ts';
import { ownsTerminal, writeError } from './terminal.ts';
import { unrecordedMessage } from './unrecorded-policy.ts';
import { upstreamTrust } from './upstream-trust.ts';

/**
 * How a command can be confined, weakest first. `auto` takes the strongest that this machine offers for a command of
 * its own; a container needs an image, so it is asked for.
 */
const isolations = ['auto', 'proxy', 'landlock', 'namespace', 'container'] as const;

export interface RunOptions extends PolicyOptions, UpstreamOptions, ContainerOptions {
  readonly logLevel?: LogLevel;
  readonly logDir?: string;
  readonly proxyPort?: number;
  readonly isolation: (typeof isolations)[number];
}

export function addRunOptions(command: Command): Command {
  addPolicyOptions(command, true);
  addLogLevel(command);
  command
    .addOption(
      new Option(
        '--log-dir <dir>',
        'write the audit log to a file there; by default only where the command has a terminal, to ~/.local/state/boundary',
      ).env('BOUNDARY_LOG_DIR'),
    )
    .addOption(proxyPortOption())
    .addOption(
      new Option(
        '--isolation <kind>',
        'the least isolation to accept; this version offers proxy and container',
      )
        .choices(isolations)
        .default('auto')
        .env('BOUNDARY_ISOLATION'),
    );
  addUpstreamOptions(command);
  addContainerOptions(command);
  // Flags of Coder's boundary that a script may carry. They ask for what is not here, or for nothing.
  command
    .addOption(new Option('--jail-type <kind>').env('BOUNDARY_JAIL_TYPE').hideHelp())
    .addOption(new Option('--disable-audit-logs').env('DISABLE_AUDIT_LOGS').hideHelp())
    .addOption(
      new Option('--log-proxy-socket-path <path>')
        .env('CODER_AGENT_BOUNDARY_LOG_PROXY_SOCKET_PATH')
        .hideHelp(),
    );
  return command;
}

/**
 * Runs a command behind the boundary and resolves to its exit code (`exitCodes` lists boundary's own). The policy is
 * read once, here: the command could write the file.
 */
export async function runCommand(
  command: readonly string[],
  options: RunOptions,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const inContainer = options.isolation === 'container';
  refuseUnavailableIsolation(options);
  const reading = readPolicy({ options, env, upstreamProxy: options.upstreamProxy !== undefined });
  if (!reading.result.ok) {
    tellFaults(reading.result.faults);
    throw new CommandError('the policy has faults (above); nothing was started', exitCodes.notStarted);
  }
  const { policy, warnings, settings } = reading.result;
  refuseUnenforceable(policy, inContainer ? 'container' : 'proxy');
  const logLevel = options.logLevel ?? settings.logLevel ?? 'warn';
  if (logLevel !== 'error') {
    tellFaults(warnings, 'warning: ');
    if (policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(reading.path, env)}`);
  }

  // The log goes to a file where it was asked to, and where the command has a terminal, which is then its own.
  const logDirectory = options.logDir ?? settings.logDir ?? (ownsTerminal() ? stateDirectory(env) : null);
  if (logDirectory === null) refuseUnrecorded(policy, logLevel);
  const logFile = logDirectory === null ? null : auditFile(logDirectory);
  const upstreamProxy = options.upstreamProxy ?? settings.upstreamProxy;
  if (inContainer) {
    // Loaded here alone: the client of the Docker engine is large.
    const { runInContainer } = await import('./container-run.ts');
    return runInContainer({ command, options, env, reading, upstreamProxy, logLevel, logFile });
  }
  if (logLevel !== 'error') {
    writeError(
      'boundary: isolation is proxy: what uses the proxy variables is held to the policy; a program that ignores them is not held yet',
    );
  }
  const trust = upstreamTrust(options.upstreamCa);
  // The key of this authority is never written anywhere.
  const authority = createAuthority();
  using directory = temporaryDirectory();
  const clientTrust = writeClientTrust(directory.path, authority, trust.corporate);
  const engine = await startEngine({
    policy,
    warnings,
    authority,
    listen: { host: '127.0.0.1', port: options.proxyPort ?? settings.proxyPort ?? 0 },
    upstreamRoots: trust.roots,
    upstreamProxy,
    audit: {
      ...workspaceOf(env),
      ...(logFile === null
        ? { stderr: { colour: isatty(2), level: logLevel } }
        : { file: { path: logFile, ...auditRotation } }),
    },
  });
  let result: Awaited<ReturnType<typeof runChild>>;
  try {
    const proxyUrl = `http://${authorityOf(engine.address)}`;
    result = await runChild(command, clientEnvironment({ ...clientTrust, proxyUrl, base: env }));
  } finally {
    // What the command left behind in the background has no way out any more. The moment is for the last packets of
    // connections that the command itself closed, which would be recorded as cut.
    await engine.close(settleMs);
  }
  if (result.fault !== null) writeError(`boundary: ${result.fault}`);
  if (logFile !== null)
    writeError(`boundary: ${tallyText(engine.tally)}; ${logText(logFile, engine.losses)}`);
  return result.exitCode;
}

/** How long connections may take to end once the command has. */
const settleMs = 250;

/** How audit files are kept: 64 MiB each, the file itself and four that were set aside. */
export const auditRotation = { maxBytes: 64 * 1024 * 1024, keep: 4 } as const;

/** Who is working here, where Coder's agent says it. */
export function workspaceOf(env: NodeJS.ProcessEnv): Pick<EngineOptions['audit'], 'workspace' | 'owner'> {
  const workspace = env.CODER_WORKSPACE_NAME;
  const owner = env.CODER_WORKSPACE_OWNER_NAME;
  return { ...(workspace ? { workspace } : {}), ...(owner ? { owner } : {}) };
}

function refuseUnavailableIsolation(options: RunOptions): void {
  const { isolation, image } = options;
  if (isolation === 'container') {
    if (image !== undefined) return;
    throw new CommandError(
      '--isolation container runs the command in an image of your choice, and none is named; add --image IMAGE',
      exitCodes.notStarted,
    );
  }
  refuseWithoutContainer(options);
  if (isolation === 'auto' || isolation === 'proxy') return;
  throw new CommandError(
    `--isolation ${isolation} is not available in this version, and nothing weaker was started; use --isolation container --image IMAGE, or --isolation proxy (proxy variables only)`,
    exitCodes.notStarted,
  );
}

/** `files` and `commands` bind only where the isolation can enforce them: here none can. */
function refuseUnenforceable(policy: Policy, isolation: 'proxy' | 'container'): void {
  if (policy.confines.length === 0) return;
  const instead =
    isolation === 'container'
      ? 'give the command an image and volumes that hold nothing else'
      : 'keep the command from those files and programs by other means';
  throw new CommandError(
    `the policy uses ${policy.confines.map((key) => `\`${key}\``).join(' and ')}, which isolation ${isolation} cannot enforce (process isolation could, and this version has none); remove ${policy.confines.length === 1 ? 'that key' : 'these keys'}, or ${instead}`,
    exitCodes.notStarted,
  );
}

/** @throws CommandError where the policy is of no use without a record, see {@link unrecordedMessage} */
export function refuseUnrecorded(policy: Policy, logLevel: LogLevel): void {
  const message = unrecordedMessage(policy, logLevel);
  if (message !== null) throw new CommandError(message, exitCodes.notStarted);
}

/** A file of its own for each run, so that two runs at once never share one. */
function auditFile(directory: string): string {
  makeDirectory(directory, 'the audit log (--log-dir)');
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  return join(directory, `audit-${time}Z-${process.pid}.jsonl`);
}
