import { lines, neutral, number, type PanelOf, wrongFromOne } from './panels.ts';
import { quantile, rate, type Scope, select, within } from './queries.ts';

/** Panels that both dashboards have, for what the dashboard's variables choose. */

const verdictColours = { allow: 'green', deny: 'red', 'would-deny': 'orange' };

export function verdicts(scope: Scope): PanelOf {
  return lines({
    title: 'Verdicts',
    description:
      'Requests and connections a second by verdict. would-deny: mode audit let pass what the policy does not allow.',
    unit: 'reqps',
    queries: [
      { expr: `sum by (verdict) (${rate(scope, 'boundary_verdicts_total')})`, legend: '{{verdict}}' },
    ],
    colours: verdictColours,
  });
}

export function denied(scope: Scope): PanelOf {
  return number({
    title: 'Denied',
    description: 'Requests and connections that were denied within the time range.',
    unit: 'short',
    decimals: 0,
    queries: [{ expr: `sum(${within(scope, 'boundary_verdicts_total', 'verdict="deny"')})` }],
    steps: neutral,
  });
}

export function auditLost(scope: Scope): PanelOf {
  return number({
    title: 'Audit lines lost',
    description:
      'Lines that a sink could not take within the time range. Above 0 the record has holes: look at the disk of the audit file.',
    unit: 'short',
    decimals: 0,
    queries: [{ expr: `sum(${within(scope, 'boundary_audit_dropped_total')})` }],
    steps: wrongFromOne,
  });
}

export function policiesRefused(scope: Scope): PanelOf {
  return number({
    title: 'Policies refused',
    description:
      'New policies with faults within the time range. The old policy stayed in force; the faults stand in the log of the sidecar.',
    unit: 'short',
    decimals: 0,
    queries: [{ expr: `sum(${within(scope, 'boundary_policy_reloads_total', 'result="refused"')})` }],
    steps: wrongFromOne,
  });
}

export function firstByte(scope: Scope): PanelOf {
  return lines({
    title: 'Time to first byte',
    description:
      'From a request to the first byte of its answer, the upstream included. Models think for seconds before they begin.',
    unit: 's',
    queries: [
      { expr: quantile(scope, 0.5, 'boundary_first_byte_seconds'), legend: 'p50' },
      { expr: quantile(scope, 0.99, 'boundary_first_byte_seconds'), legend: 'p99' },
    ],
  });
}

export function decisionTime(scope: Scope): PanelOf {
  return lines({
    title: 'Time of a decision',
    description:
      'What the rules take for a verdict. It does not grow with their number: microseconds, or the machine is short of CPU.',
    unit: 's',
    queries: [
      { expr: quantile(scope, 0.5, 'boundary_decision_seconds'), legend: 'p50' },
      { expr: quantile(scope, 0.99, 'boundary_decision_seconds'), legend: 'p99' },
    ],
  });
}

export function connectTime(scope: Scope): PanelOf {
  return lines({
    title: 'Time to connect',
    description:
      'Connecting to an upstream, with its TLS handshake; and looking a name up that the cache does not hold.',
    unit: 's',
    queries: [
      { expr: quantile(scope, 0.5, 'boundary_connect_seconds'), legend: 'p50' },
      { expr: quantile(scope, 0.99, 'boundary_connect_seconds'), legend: 'p99' },
      { expr: quantile(scope, 0.99, 'boundary_dns_lookup_seconds'), legend: 'p99 of the lookup' },
    ],
  });
}

export function connections(scope: Scope): PanelOf {
  return lines({
    title: 'Connections',
    description: 'Open now: of clients, to upstreams (kept ones too), and tunnels that pass unread.',
    unit: 'short',
    queries: [{ expr: `sum by (kind) (${select(scope, 'boundary_connections')})`, legend: '{{kind}}' }],
  });
}

export function bytes(scope: Scope): PanelOf {
  return lines({
    title: 'Bytes',
    description: 'Body and tunnel bytes a second: in from the workspace, out to it.',
    unit: 'binBps',
    queries: [
      { expr: `sum by (direction) (${rate(scope, 'boundary_bytes_total')})`, legend: '{{direction}}' },
    ],
  });
}

export function upstreamErrors(scope: Scope): PanelOf {
  return lines({
    title: 'Upstream errors',
    description:
      'Failures a second by kind. certificate: not trusted. address-denied: a name led to an address that the policy keeps shut. proxy: the corporate proxy refused.',
    unit: 'cps',
    queries: [
      { expr: `sum by (kind) (${rate(scope, 'boundary_upstream_errors_total')})`, legend: '{{kind}}' },
    ],
  });
}

export function dnsQuestions(scope: Scope): PanelOf {
  return lines({
    title: 'DNS questions',
    description:
      'Questions of the workspace a second, by result; without a gate there are none. full: no address is left for another name.',
    unit: 'cps',
    queries: [
      { expr: `sum by (result) (${rate(scope, 'boundary_dns_questions_total')})`, legend: '{{result}}' },
    ],
    colours: { answered: 'green', empty: 'blue', refused: 'orange', malformed: 'purple', full: 'red' },
  });
}
