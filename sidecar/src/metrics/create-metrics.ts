import { Counter, Gauge, Registry as PromRegistry } from 'prom-client';
import { ArrayHistogram } from './array-histogram.ts';
import { type CertificateFacts, registerCertificates } from './certificate-metrics.ts';
import { DecisionCounts } from './decision-counts.ts';
import { createDoctorMetrics } from './doctor-metrics.ts';
import { finiteCounter } from './finite-counter.ts';
import { createGateMetrics, registerDnsNames } from './gate-metrics.ts';
import { registerProcessMetrics } from './process-metrics.ts';
import type { Metrics, UpstreamErrorKind } from './types.ts';

/** What the control listener serves. */
export interface Registry {
  readonly contentType: string;
  /** The Prometheus text exposition (format 0.0.4) of everything, as it stands now. */
  render(): Promise<string>;
}

const decisionBounds = [1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3, 1e-2, 0.1];
const connectBounds = [5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Models think for minutes before and within an answer. */
const requestBounds = [
  5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
];

const connectionKinds = ['client', 'upstream', 'tunnel'] as const;
const dnsResults = ['hit', 'ok', 'not-found', 'failure'] as const;
const reloadResults = ['ok', 'refused'] as const;
const upstreamErrorKinds: readonly UpstreamErrorKind[] = [
  'resolve',
  'address-denied',
  'connect',
  'timeout',
  'certificate',
  'tls',
  'reset',
  'protocol',
  'proxy',
];

/**
 * Everything that is counted, on a registry of its own. The data path adds to plain numbers; prom-client renders them
 * when scraped. Every name and label is described in docs/metrics.md.
 *
 * @param options.namedRules how many rules get a `rule` label of their own, 500 unless told
 * @param options.version boundary's own version, for `boundary_build_info`; without it that metric is absent
 * @returns `metrics` for the data path, `registry` for the control listener, `watchCertificates`, to be called once
 *   the certificate authority is there, and `watchDnsNames`, once names are given addresses; before, their metrics are
 *   absent
 */
export function createMetrics(options: { namedRules?: number; version?: string } = {}): {
  metrics: Metrics;
  registry: Registry;
  watchCertificates(facts: () => CertificateFacts): void;
  watchDnsNames(names: () => number): void;
} {
  const registry = new PromRegistry();
  const registers = [registry];
  const histogram = (name: string, help: string, bounds: readonly number[]): ArrayHistogram => {
    return new ArrayHistogram({ name, help, bounds, registry });
  };

  const decisions = new DecisionCounts(options.namedRules);
  new Counter({
    name: 'boundary_decisions_total',
    help: 'Verdicts by word, protocol, method and the rule that decided.',
    labelNames: ['verdict', 'protocol', 'method', 'rule'],
    registers,
    collect() {
      this.reset();
      for (const series of decisions.series()) this.inc(series.labels, series.value);
    },
  });
  new Counter({
    name: 'boundary_verdicts_total',
    help: 'Verdicts by word alone; every word from the start.',
    labelNames: ['verdict'],
    registers,
    collect() {
      this.reset();
      for (const [verdict, count] of decisions.byVerdict()) this.inc({ verdict }, count);
    },
  });
  const decisionSeconds = histogram(
    'boundary_decision_seconds',
    'Time that the rules take for a verdict.',
    decisionBounds,
  );
  const connectSeconds = histogram(
    'boundary_connect_seconds',
    'Time to connect to an upstream, with its TLS handshake.',
    connectBounds,
  );
  const firstByteSeconds = histogram(
    'boundary_first_byte_seconds',
    'Time from a request to the first byte of its answer.',
    requestBounds,
  );
  const requestSeconds = histogram(
    'boundary_request_seconds',
    'Time from a request to the end of its answer.',
    requestBounds,
  );
  const dnsSeconds = histogram(
    'boundary_dns_lookup_seconds',
    'Time of name lookups that the cache did not answer.',
    connectBounds,
  );

  const bytes = finiteCounter(
    'boundary_bytes_total',
    'Body and tunnel bytes, from (in) and to (out) the client.',
    {
      registers,
      label: 'direction',
      values: ['in', 'out'],
    },
  );
  const upstreamErrors = finiteCounter('boundary_upstream_errors_total', 'Upstream failures by kind.', {
    registers,
    label: 'kind',
    values: upstreamErrorKinds,
  });
  const dnsLookups = finiteCounter(
    'boundary_dns_lookups_total',
    'Name lookups; hit: answered by the cache.',
    {
      registers,
      label: 'result',
      values: dnsResults,
    },
  );
  const reloads = finiteCounter('boundary_policy_reloads_total', 'Reloads of the policy by result.', {
    registers,
    label: 'result',
    values: reloadResults,
  });
  const open: Record<(typeof connectionKinds)[number], number> = { client: 0, upstream: 0, tunnel: 0 };
  new Gauge({
    name: 'boundary_connections',
    help: 'Open connections by kind.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const kind of connectionKinds) this.set({ kind }, open[kind]);
    },
  });

  const policyInfo = new Gauge({
    name: 'boundary_policy_info',
    help: 'The policy in force: sha256 of its sources, and its mode. Always 1.',
    labelNames: ['hash', 'mode'],
    registers,
  });
  const policyRules = new Gauge({
    name: 'boundary_policy_rules',
    help: 'Rules of the policy in force.',
    registers,
  });
  const loadedAt = new Gauge({
    name: 'boundary_policy_loaded_timestamp_seconds',
    help: 'When the policy in force was loaded, in seconds since 1970.',
    registers,
  });

  const auditWritten = new Counter({
    name: 'boundary_audit_written_total',
    help: 'Audit lines written, by sink.',
    labelNames: ['sink'],
    registers,
  });
  const auditDropped = new Counter({
    name: 'boundary_audit_dropped_total',
    help: 'Audit lines that a sink could not take, by reason.',
    labelNames: ['sink', 'reason'],
    registers,
  });
  registerProcessMetrics(registry);
  if (options.version !== undefined) registerBuild(registry, options.version);

  const metrics: Metrics = {
    decision: (verdict, protocol, method, rule) => decisions.count(verdict, protocol, method, rule),
    decisionTime: (seconds) => decisionSeconds.add(seconds),
    connectTime: (seconds) => connectSeconds.add(seconds),
    firstByteTime: (seconds) => firstByteSeconds.add(seconds),
    totalTime: (seconds) => requestSeconds.add(seconds),
    bytes: (direction, count) => bytes(direction, count),
    upstreamError: (kind) => upstreamErrors(kind, 1),
    connectionOpened: (kind) => {
      open[kind]++;
    },
    connectionClosed: (kind) => {
      open[kind]--;
    },
    dnsLookup: (result, seconds) => {
      dnsLookups(result, 1);
      if (result !== 'hit') dnsSeconds.add(seconds);
    },
    policyLoaded: (hash, rules, mode) => {
      decisions.fold();
      policyInfo.reset();
      policyInfo.set({ hash, mode }, 1);
      policyRules.set(rules);
      loadedAt.setToCurrentTime();
    },
    policyReload: (result) => reloads(result, 1),
    auditSink: (sink, dropReasons) => {
      auditWritten.inc({ sink }, 0);
      for (const reason of dropReasons) auditDropped.inc({ sink, reason }, 0);
    },
    auditWritten: (sink, count = 1) => auditWritten.inc({ sink }, count),
    auditDropped: (sink, reason, count) => auditDropped.inc({ sink, reason }, count),
    doctorFindings: createDoctorMetrics(registry),
    ...createGateMetrics(registry),
  };
  return {
    metrics,
    registry: { contentType: registry.contentType, render: () => registry.metrics() },
    watchCertificates: (facts) => registerCertificates(registry, facts),
    watchDnsNames: (names) => registerDnsNames(registry, names),
  };
}

function registerBuild(registry: PromRegistry, version: string): void {
  new Gauge({
    name: 'boundary_build_info',
    help: "boundary's own version and the Node that it runs on. Always 1.",
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.versions.node }, 1);
}
