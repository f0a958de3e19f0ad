import type { LoadResult, Policy } from '../policy/types.ts';
import { CommandError, exitCodes } from './command-error.ts';
import type { Engine } from './engine.ts';
import type { PolicyOptions } from './policy-options.ts';
import { reloadOnChange } from './policy-reload.ts';
import { nothingAllowedWarning, readPolicy, ruleCount, tellFaults } from './policy-source.ts';
import type { LogLevel, UpstreamOptions } from './runtime-options.ts';
import { submittedPolicies } from './submitted-policies.ts';
import { writeError } from './terminal.ts';

export type Loaded = Extract<LoadResult, { ok: true }>;

/** Where a sidecar's policy comes from: what it starts with, and what follows. */
export interface PolicyOrigin {
  readonly first: Loaded;
  /** Puts in force what comes later. */
  follow(engine: Engine, upstreamProxy: string | undefined): Promise<PolicyFollower>;
}

export interface PolicyFollower {
  /** Reads the policy again even where it is unchanged (SIGHUP). */
  now(): void;
  close(): Promise<void>;
}

export interface PolicyOriginOptions extends PolicyOptions, UpstreamOptions {
  readonly submissions?: string;
  readonly stateDir?: string;
  readonly auditFile?: string;
  readonly auditStdout?: boolean;
  readonly logLevel?: LogLevel;
}

/**
 * The policy of files and flags, or with `--submissions` the one that was handed in last.
 * @throws CommandError where files and flags make none
 */
export function policyOrigin(options: PolicyOriginOptions, env: NodeJS.ProcessEnv): PolicyOrigin {
  return options.submissions === undefined
    ? policyOfFiles(options, env)
    : submittedPolicies({ ...options, submissions: options.submissions }, env);
}

/**
 * Puts a policy in force, unless it asks for what a running sidecar cannot do. On record either way.
 * @param upstreamProxy the corporate proxy in use: whether a policy can be kept depends on who resolves names
 * @returns why it was refused, or null
 */
export function takeUp(
  engine: Engine,
  { policy, warnings, settings }: Loaded,
  flag: string | undefined,
  upstreamProxy: string | undefined,
): string | null {
  const refused =
    (flag ?? settings.upstreamProxy) !== upstreamProxy
      ? '`upstream_proxy` changed, which takes a restart'
      : policy.confines.length > 0
        ? confinesMessage(policy)
        : null;
  if (refused !== null) {
    engine.metrics.policyReload('refused');
    return refused;
  }
  engine.replacePolicy(policy, warnings);
  engine.metrics.policyReload('ok');
  tellFaults(warnings, 'warning: ');
  writeError(`boundary: policy reloaded; ${ruleCount(policy)}, sha256 ${policy.hash}`);
  return null;
}

function policyOfFiles(options: PolicyOriginOptions, env: NodeJS.ProcessEnv): PolicyOrigin {
  const request = { options, env, upstreamProxy: options.upstreamProxy !== undefined };
  const reading = readPolicy(request);
  if (!reading.result.ok) {
    tellFaults(reading.result.faults);
    throw new CommandError('the policy has faults (above); not started');
  }
  const { path, result } = reading;
  const { policy, warnings } = result;
  if (policy.confines.length > 0) throw new CommandError(confinesMessage(policy), exitCodes.failed);
  tellFaults(warnings, 'warning: ');
  if (policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(path, env)}`);
  return {
    first: result,
    async follow(engine, upstreamProxy) {
      const stays = (why: string) => writeError(`boundary: ${why}; the policy that was in force stays`);
      const reload = reloadOnChange({
        path,
        // The file that was found at the start, also where an earlier default has appeared since.
        read: () =>
          readPolicy(path === null ? request : { ...request, options: { ...options, config: path } }).result,
        accepted(loaded) {
          const refused = takeUp(engine, loaded, options.upstreamProxy, upstreamProxy);
          if (refused !== null) stays(refused);
        },
        refused({ faults }) {
          tellFaults(faults);
          engine.metrics.policyReload('refused');
          stays('the new policy has faults (above)');
        },
      });
      return { now: () => reload.now(), close: async () => reload.close() };
    },
  };
}

export function confinesMessage(policy: Policy): string {
  return `the policy uses ${policy.confines.map((key) => `\`${key}\``).join(' and ')}, which bind processes that boundary starts; a sidecar starts none and cannot enforce them: keep them in a policy of their own`;
}
