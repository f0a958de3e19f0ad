import { join } from 'node:path';
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { createAuthority } from '../certificates/create-authority.ts';
import type { Policy } from '../policy/types.ts';
import { runChild } from './child.ts';
import { clientEnvironment } from './client-environment.ts';
import { writeClientTrust } from './client-trust.ts';
import { CommandError, exitCodes } from './command-error.ts';
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
import { upstreamTrust } from './upstream-trust.ts';

/** How a command can be confined, weakest first. `auto` takes the strongest that this machine offers. */
const isolations = ['auto', 'proxy', 'landlock', 'namespace'] as const;

export interface RunOptions extends PolicyOptions, UpstreamOptions {
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
      new Option('--isolation <kind>', 'the least isolation to accept; this version offers proxy')
        .choices(isolations)
        .default('auto')
        .env('BOUNDARY_ISOLATION'),
    );
  addUpstreamOptions(command);
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
  refuseStrongerIsolation(options.isolation);
  const reading = readPolicy({ options, env, upstreamProxy: options.upstreamProxy !== undefined });
  if (!reading.result.ok) {
    tellFaults(reading.result.faults);
    throw new CommandError('the policy has faults (above); nothing was started', exitCodes.notStarted);
  }
  const { policy, warnings, settings } = reading.result;
  refuseUnenforceable(policy);
  const logLevel = options.logLevel ?? settings.logLevel ?? 'warn';
  if (logLevel !== 'error') {
    tellFaults(warnings, 'warning: ');
    if (policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(reading.path, env)}`);
    writeError(
      'boundary: isolation is proxy: what uses the proxy variables is held to the policy; a program that ignores them is not held yet',
    );
  }

  // The log goes to a file where it was asked to, and where the command has a terminal, which is then its own.
  const logDirectory = options.logDir ?? settings.logDir ?? (ownsTerminal() ? stateDirectory(env) : null);
  if (logDirectory === null) refuseUnrecorded(policy, logLevel);
  const logFile = logDirectory === null ? null : auditFile(logDirectory);
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
    upstreamProxy: options.upstreamProxy ?? settings.upstreamProxy,
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

function refuseStrongerIsolation(isolation: RunOptions['isolation']): void {
  if (isolation === 'auto' || isolation === 'proxy') return;
  throw new CommandError(
    `--isolation ${isolation} is not available in this version, and nothing weaker was started; use --isolation proxy (proxy variables only), or run the command in a container whose only way out is \`boundary sidecar\``,
    exitCodes.notStarted,
  );
}

/** `files` and `commands` bind only where the isolation can enforce them: here it cannot. */
function refuseUnenforceable(policy: Policy): void {
  if (policy.confines.length === 0) return;
  throw new CommandError(
    `the policy uses ${policy.confines.map((key) => `\`${key}\``).join(' and ')}, which isolation proxy cannot enforce (process isolation could, and this version has none); remove ${policy.confines.length === 1 ? 'that key' : 'these keys'}, or keep the command from those files and programs by other means`,
    exitCodes.notStarted,
  );
}

/** With `on_failure: deny` nothing is allowed without a record, and a standard error that leaves lines out is none. */
export function refuseUnrecorded(policy: Policy, logLevel: LogLevel): void {
  if (policy.onAuditFailure === 'continue' || logLevel === 'info' || logLevel === 'debug') return;
  throw new CommandError(
    `the policy says \`audit: { on_failure: deny }\`, and at --log-level ${logLevel} standard error does not record every request, so that all would be denied; write the audit log to a file, or use --log-level info`,
    exitCodes.notStarted,
  );
}

/** A file of its own for each run, so that two runs at once never share one. */
function auditFile(directory: string): string {
  makeDirectory(directory, 'the audit log (--log-dir)');
  const time = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
  return join(directory, `audit-${time}Z-${process.pid}.jsonl`);
}
