import { type AuditLogOptions, createAuditLog } from '../audit/create-audit-log.ts';
import { watched } from '../audit/recent-decisions.ts';
import type { AuditLog } from '../audit/types.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import { createControl, type Readiness } from '../control/create-control.ts';
import { createMetricsListener } from '../control/metrics-listener.ts';
import { createView } from '../control/view/create-view.ts';
import { createMetrics } from '../metrics/create-metrics.ts';
import type { Metrics } from '../metrics/types.ts';
import type { Policy, PolicyFault } from '../policy/types.ts';
import { createProxy } from '../proxy/create-proxy.ts';
import type { ListenAddress, RunningProxy } from '../proxy/types.ts';
import { createUpstream, type UpstreamOptions } from '../proxy/upstream/create-upstream.ts';
import type { UpstreamClient } from '../proxy/upstream-types.ts';
import { createResolver } from '../resolver/create-resolver.ts';
import type { Endpoint } from '../target/types.ts';
import { CommandError, codeOf, messageOf } from './command-error.ts';
import { type AuditLosses, type DecisionTally, tallied } from './decision-tally.ts';
import { authorityOf } from './listen-address.ts';
import { boundaryVersion } from './version.ts';
import type { WorkspaceSide } from './workspace-side.ts';

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
  /** Metrics and health for others to scrape, where that is wanted. */
  readonly metricsListen?: ListenAddress | undefined;
  /** A workspace behind a gate, where this is its sidecar. */
  readonly workspace?: WorkspaceOptions | undefined;
  /** The control listener, where one is wanted. */
  readonly control?: {
    readonly listen: ListenAddress | { readonly path: string };
    readonly token: string;
  };
}

/** What a sidecar of a workspace has beside the proxy. */
export interface WorkspaceOptions {
  readonly gateDirectory: string;
  readonly namesPath: string;
  /** The access URL of the deployment, and its host and port. */
  readonly deployment: { readonly url: string; readonly endpoint: Endpoint } | null;
  /** What clients in the workspace have to trust, as PEM. */
  caPem(): string;
  readonly say: (line: string) => void;
}

/** Everything that runs, made in one place and handed down. */
export interface Engine {
  /** Where the proxy really listens. */
  readonly address: ListenAddress;
  /** Where the control listener really listens: `host:port` or a path; null where there is none. */
  readonly controlAddress: string | null;
  /** Where metrics are served to others; null where they are not. */
  readonly metricsAddress: ListenAddress | null;
  readonly metrics: Metrics;
  readonly tally: Readonly<DecisionTally>;
  readonly losses: Readonly<AuditLosses>;
  policy(): Policy;
  /** Whether everything stands, and what does not. */
  ready(): Readiness;
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

  let side: WorkspaceSide | null = null;
  const startedAt = Date.now();
  let policySince = startedAt;

  const { metrics, registry, watchCertificates, watchDnsNames } = createMetrics({
    version: boundaryVersion(),
  });
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
  const counted = tallied(log);
  const { tally } = counted;
  // Only who shows decisions has to remember them.
  const watching = options.workspace === undefined ? null : watched(counted.audit);
  const audit = watching?.audit ?? counted.audit;
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

  const ready = () => readiness({ draining, listening: proxy !== null, audit, policy, side });
  const scraped =
    options.metricsListen === undefined
      ? null
      : await createMetricsListener({ listen: options.metricsListen, registry, ready }).catch(
          (error: unknown) => {
            throw listenFault(error, options.metricsListen, '--metrics');
          },
        );
  if (scraped !== null) parts.defer(() => scraped.close());
  const control =
    options.control === undefined
      ? null
      : await createControl({
          ...options.control,
          registry,
          policy: () => policy,
          warnings: () => warnings,
          ready,
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
    ownListeners: () => [
      ...(control !== null && 'port' in control.address ? [control.address] : []),
      ...(scraped === null ? [] : [scraped.address]),
    ],
    deployment: options.workspace?.deployment?.endpoint ?? null,
    chained: options.upstreamProxy !== undefined,
  }).catch((error: unknown) => {
    throw listenFault(error, options.listen, '--listen or --proxy-port');
  });
  proxy = started;
  let drainMs = 0;
  parts.defer(() => started.drain(drainMs));
  if (options.workspace !== undefined && watching !== null) {
    const { workspace } = options;
    const view = createView({
      recent: watching.recent,
      policy: () => policy,
      caPem: workspace.caPem,
      doctor: (findings) => metrics.doctorFindings(findings),
      state: () => ({
        workspace: options.audit.workspace ?? null,
        owner: options.audit.owner ?? null,
        version: boundaryVersion(),
        readiness: ready(),
        startedAt,
        policySince,
        isolation: 'container',
        gateConnected: side?.gateConnected() ?? false,
        audit: { healthy: audit.healthy, droppedLines: losses.lines },
        deployment: workspace.deployment?.url ?? null,
      }),
    });
    // Loaded here: without a gate nobody needs its native part.
    const { openWorkspaceSide } = await import('./workspace-side.ts');
    const opened = openWorkspaceSide({
      ...workspace,
      deployment: workspace.deployment?.endpoint ?? null,
      ownName: options.audit.workspace?.toLowerCase() ?? null,
      policy: () => policy,
      proxy: started,
      audit,
      metrics,
      view,
      watchNames: watchDnsNames,
    });
    side = opened;
    parts.defer(() => opened.close());
  }

  const running = parts.move();
  return {
    address: started.address,
    controlAddress: control === null ? null : addressText(control.address),
    metricsAddress: scraped?.address ?? null,
    metrics,
    tally,
    losses,
    policy: () => policy,
    ready,
    replacePolicy(next, nextWarnings) {
      policy = next;
      policySince = Date.now();
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
function readiness(state: {
  draining: boolean;
  listening: boolean;
  audit: AuditLog;
  policy: Policy;
  side: WorkspaceSide | null;
}): Readiness {
  const reasons: string[] = [];
  if (!state.listening) reasons.push('the proxy does not listen yet');
  if (state.side?.gateConnected() === false) reasons.push('the gate has not handed over its sockets');
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
