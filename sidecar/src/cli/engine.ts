import { type AuditLogOptions, createAuditLog } from '../audit/create-audit-log.ts';
import type { AuditLog } from '../audit/types.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import { createControl } from '../control/create-control.ts';
import { createMetrics } from '../metrics/create-metrics.ts';
import type { Metrics } from '../metrics/types.ts';
import type { Policy, PolicyFault } from '../policy/types.ts';
import { createProxy } from '../proxy/create-proxy.ts';
import type { ListenAddress, RunningProxy } from '../proxy/types.ts';
import { createUpstream, type UpstreamOptions } from '../proxy/upstream/create-upstream.ts';
import type { UpstreamClient } from '../proxy/upstream-types.ts';
import { createResolver } from '../resolver/create-resolver.ts';
import { CommandError, codeOf, messageOf } from './command-error.ts';
import { type AuditLosses, type DecisionTally, tallied } from './decision-tally.ts';
import { authorityOf } from './listen-address.ts';
import { boundaryVersion } from './version.ts';

export interface EngineOptions {
  readonly policy: Policy;
  /** What its loading warned of. */
  readonly warnings: readonly PolicyFault[];
  readonly authority: CertificateAuthority;
  readonly listen: ListenAddress;
  /** PEM certificates that upstreams are verified against. */
  readonly upstreamRoots: readonly string[];
  /** URL of a corporate proxy that every connection goes through. */
  readonly upstreamProxy?: string | undefined;
  readonly audit: Omit<AuditLogOptions, 'metrics' | 'onFileFailure' | 'onFileDropped'>;
  /** The control listener, where one is wanted. */
  readonly control?: {
    readonly listen: ListenAddress | { readonly path: string };
    readonly token: string;
  };
}

/** Everything that runs, made in one place and handed down. */
export interface Engine {
  /** Where the proxy really listens. */
  readonly address: ListenAddress;
  /** Where the control listener really listens: `host:port` or a path; null where there is none. */
  readonly controlAddress: string | null;
  readonly metrics: Metrics;
  readonly tally: Readonly<DecisionTally>;
  readonly losses: Readonly<AuditLosses>;
  policy(): Policy;
  /** Puts another policy in force at once and closes the connections that it would refuse. */
  replacePolicy(policy: Policy, warnings: readonly PolicyFault[]): void;
  /** Stops: not ready any more, open requests get `drainMs` to end, the audit is written, all listeners close. */
  close(drainMs: number): Promise<void>;
}

/**
 * Starts the whole data path for one policy. Never half: where one part cannot start, those before it are closed again
 * and CommandError says why. Closing happens in the reverse order of starting.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  await using parts = new AsyncDisposableStack();
  let { policy, warnings } = options;
  let draining = false;
  let proxy: RunningProxy | null = null;

  const { metrics, registry, watchCertificates } = createMetrics({ version: boundaryVersion() });
  const authority = options.authority;
  watchCertificates(() => ({
    minted: authority.stats.minted,
    cached: authority.stats.cached,
    notAfter: authority.notAfter,
  }));
  metrics.policyLoaded(policy.hash, policy.rules.length, policy.mode);

  const losses: AuditLosses = { lines: 0, fault: null };
  const log = openAudit({
    ...options.audit,
    metrics,
    onFileFailure: ({ message }) => {
      losses.fault = message;
    },
    onFileDropped: (lines) => {
      losses.lines += lines;
    },
  });
  const { audit, tally } = tallied(log);
  parts.defer(() => audit.close());
  const resolver = createResolver({
    onLookup: (result, seconds) => metrics.dnsLookup(result, seconds),
  });
  parts.defer(() => resolver.close());
  const upstream = openUpstream({
    ca: options.upstreamRoots,
    metrics,
    ...(options.upstreamProxy === undefined ? {} : { proxy: { url: options.upstreamProxy } }),
  });
  parts.defer(() => upstream.close());

  const control =
    options.control === undefined
      ? null
      : await createControl({
          ...options.control,
          registry,
          policy: () => policy,
          warnings: () => warnings,
          ready: () => readiness({ draining, listening: proxy !== null, audit, policy }),
        }).catch((error: unknown) => {
          throw listenFault(error, options.control?.listen, '--control');
        });
  if (control !== null) parts.defer(() => control.close());

  const started = await createProxy({
    listen: options.listen,
    policy: () => policy,
    authority,
    resolver,
    audit,
    metrics,
    upstream,
    ownListeners: () => (control !== null && 'port' in control.address ? [control.address] : []),
    chained: options.upstreamProxy !== undefined,
  }).catch((error: unknown) => {
    throw listenFault(error, options.listen, '--listen or --proxy-port');
  });
  proxy = started;
  let drainMs = 0;
  parts.defer(() => started.drain(drainMs));

  const running = parts.move();
  return {
    address: started.address,
    controlAddress: control === null ? null : addressText(control.address),
    metrics,
    tally,
    losses,
    policy: () => policy,
    replacePolicy(next, nextWarnings) {
      policy = next;
      warnings = nextWarnings;
      metrics.policyLoaded(next.hash, next.rules.length, next.mode);
      started.policyChanged();
    },
    async close(ms) {
      draining = true;
      drainMs = ms;
      await running.disposeAsync();
    },
  };
}

/** What keeps the service from being ready, for people. */
function readiness(state: { draining: boolean; listening: boolean; audit: AuditLog; policy: Policy }): {
  ready: boolean;
  reasons: string[];
} {
  const reasons: string[] = [];
  if (!state.listening) reasons.push('the proxy does not listen yet');
  if (state.draining) reasons.push('stopping: open requests are ending, new ones are not taken');
  if (!state.audit.healthy && state.policy.onAuditFailure === 'deny') {
    reasons.push('no audit sink can take a record, and the policy denies everything meanwhile');
  }
  return { ready: reasons.length === 0, reasons };
}

function openAudit(options: AuditLogOptions): AuditLog {
  try {
    return createAuditLog(options);
  } catch (error) {
    throw new CommandError(`cannot write the audit log: ${messageOf(error)}`);
  }
}

function openUpstream(options: UpstreamOptions): UpstreamClient {
  try {
    return createUpstream(options);
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
}

function listenFault(
  error: unknown,
  listen: ListenAddress | { readonly path: string } | undefined,
  flag: string,
): Error {
  const where = listen === undefined ? '' : addressText(listen);
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new CommandError(
        `cannot listen on ${where}: something else already does; choose another with ${flag} (port 0 takes a free one)`,
      );
    case 'EACCES':
      return new CommandError(
        `cannot listen on ${where}: permission denied; choose a port above 1023 with ${flag}`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(
        `cannot listen on ${where}: this machine has no such address; choose another with ${flag}`,
      );
    default:
      return new CommandError(`cannot listen on ${where}: ${messageOf(error)}`);
  }
}

function addressText(address: ListenAddress | { readonly path: string }): string {
  return 'path' in address ? address.path : authorityOf(address);
}
