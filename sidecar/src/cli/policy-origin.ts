import type { LoadResult, Policy } from '../policy/types.ts';
import type { Engine } from './engine.ts';
import type { PolicyOptions } from './policy-options.ts';
import { ruleCount, tellFaults } from './policy-source.ts';
import type { LogLevel, UpstreamOptions } from './runtime-options.ts';
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

/** Why a sidecar cannot have a policy with `files` or `commands`. */
export function confinesMessage(policy: Policy): string {
  return `the policy uses ${policy.confines.map((key) => `\`${key}\``).join(' and ')}, which bind processes that boundary starts; a sidecar starts none and cannot enforce them: keep them in a policy of their own`;
}
