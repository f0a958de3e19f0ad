import { DashboardBuilder, DashboardCursorSync } from '@grafana/grafana-foundation-sdk/dashboard';
import { addRows, type Row } from './layout.ts';
import { answers, connected, modes } from './mappings.ts';
import {
  type Column,
  lines,
  neutral,
  noteFromOne,
  number,
  type PanelOf,
  rows,
  wrongFromOne,
} from './panels.ts';
import * as parts from './parts.ts';
import { decisionsWithin, howMany, quantile, rate, fleet as scope, select, within } from './queries.ts';
import { datasourceVariable, labelVariable } from './variables.ts';

/** How many workspaces a panel shows at most. */
const most = 10;

function toWorkspace(owner: string, workspace: string): { title: string; url: string } {
  return {
    title: 'Show this workspace',
    url: `/d/boundary-workspace?var-datasource=\${datasource}&var-owner=${owner}&var-workspace=${workspace}&\${__url_time_range}`,
  };
}

const fromSeries = toWorkspace(`\${__field.labels.owner}`, `\${__field.labels.workspace}`);
const fromRow = toWorkspace(`\${__data.fields.Owner}`, `\${__data.fields.Workspace}`);
const ownerAndWorkspace: readonly Column[] = [
  { field: 'owner', title: 'Owner', width: 140 },
  { field: 'workspace', title: 'Workspace', width: 180, link: fromRow },
];

/** The workspaces with the most of something, over time. */
function mostOf(about: {
  title: string;
  description: string;
  unit: string;
  expr: string;
  max?: number;
}): PanelOf {
  const { expr, ...rest } = about;
  return lines({
    ...rest,
    queries: [{ expr: `topk(${most}, ${expr})`, legend: '{{owner}}/{{workspace}}' }],
    link: fromSeries,
  });
}

const state: Row = {
  title: 'State',
  height: 4,
  panels: [
    [
      4,
      number({
        title: 'Sidecars',
        description: 'Sidecars that Prometheus finds, and those of them that answer.',
        unit: 'short',
        queries: [
          { expr: `count(${select(scope, 'up')})`, legend: 'found' },
          { expr: `sum(${select(scope, 'up')})`, legend: 'answering' },
        ],
        steps: neutral,
      }),
    ],
    [
      3,
      number({
        title: 'Not answering',
        description: 'Sidecars that do not answer. The workspaces behind them have no way out.',
        unit: 'short',
        queries: [{ expr: howMany(`${select(scope, 'up')} == 0`) }],
        steps: wrongFromOne,
      }),
    ],
    [
      3,
      number({
        title: 'Without their gate',
        description: 'Sidecars that wait for the sockets of their gate. Their workspaces have no way out.',
        unit: 'short',
        queries: [{ expr: howMany(`${select(scope, 'boundary_gate_connected')} == 0`) }],
        steps: wrongFromOne,
      }),
    ],
    [
      3,
      number({
        title: 'Not enforcing',
        description: 'Workspaces in mode audit: nothing is denied there.',
        unit: 'short',
        queries: [{ expr: howMany(select(scope, 'boundary_policy_info', 'mode="audit"')) }],
        steps: noteFromOne,
      }),
    ],
    [
      3,
      number({
        title: 'Doctor findings',
        description:
          'Workspaces in which boundary doctor found something missing or open. It is what they say of themselves.',
        unit: 'short',
        queries: [
          {
            expr: howMany(`max by (owner, workspace) (${select(scope, 'boundary_doctor_finding')}) == 1`),
          },
        ],
        steps: wrongFromOne,
      }),
    ],
    [2, parts.denied(scope)],
    [3, parts.auditLost(scope)],
    [3, parts.policiesRefused(scope)],
  ],
};

const verdicts: Row = {
  title: 'Verdicts',
  height: 9,
  panels: [
    [8, parts.verdicts(scope)],
    [
      8,
      mostOf({
        title: 'Verdicts by workspace',
        description: `The ${most} workspaces with the most requests and connections a second.`,
        unit: 'reqps',
        expr: `sum by (owner, workspace) (${rate(scope, 'boundary_verdicts_total')})`,
      }),
    ],
    [
      8,
      mostOf({
        title: 'Denials by workspace',
        description: `The ${most} workspaces with the most denials a second. A spike: an agent tries to get around the policy, or a rule is missing.`,
        unit: 'reqps',
        expr: `sum by (owner, workspace) (${rate(scope, 'boundary_verdicts_total', 'verdict="deny"')})`,
      }),
    ],
    [
      12,
      rows({
        title: 'Top denying rules',
        description:
          'Denials within the time range by workspace and rule; none: no rule allowed it. The hosts stand in the audit log.',
        unit: 'short',
        queries: [
          {
            expr: `topk(50, round(sum by (owner, workspace, rule) ${decisionsWithin(scope, 'verdict="deny"')}) > 0)`,
          },
        ],
        columns: [
          ...ownerAndWorkspace,
          { field: 'rule', title: 'Rule' },
          { field: 'Value', title: 'Denied', width: 100 },
        ],
        sortBy: 'Denied',
      }),
    ],
    [
      12,
      rows({
        title: 'What enforcing would deny',
        description:
          'Of workspaces in mode audit: what passed within the time range although the policy does not allow it. Empty where all enforce.',
        unit: 'short',
        queries: [
          {
            expr: `topk(50, round(sum by (owner, workspace, rule) ${decisionsWithin(scope, 'verdict="would-deny"')}) > 0)`,
          },
        ],
        columns: [
          ...ownerAndWorkspace,
          { field: 'rule', title: 'Rule' },
          { field: 'Value', title: 'Would deny', width: 110 },
        ],
        sortBy: 'Would deny',
      }),
    ],
  ],
};

const latency: Row = {
  title: 'Latency',
  height: 8,
  panels: [
    [6, parts.firstByte(scope)],
    [
      6,
      mostOf({
        title: 'Slowest first bytes by workspace',
        description: `99 % of answers begin within. The ${most} slowest workspaces.`,
        unit: 's',
        expr: quantile(scope, 0.99, 'boundary_first_byte_seconds', 'owner, workspace'),
      }),
    ],
    [6, parts.decisionTime(scope)],
    [6, parts.connectTime(scope)],
  ],
};

const traffic: Row = {
  title: 'Traffic',
  height: 8,
  panels: [
    [6, parts.connections(scope)],
    [6, parts.bytes(scope)],
    [6, parts.upstreamErrors(scope)],
    [6, parts.dnsQuestions(scope)],
  ],
};

const resources: Row = {
  title: 'Resources',
  height: 8,
  panels: [
    [
      8,
      mostOf({
        title: 'Memory',
        description: `Resident memory of the sidecar's process. The ${most} largest.`,
        unit: 'bytes',
        expr: `sum by (owner, workspace) (${select(scope, 'process_resident_memory_bytes')})`,
      }),
    ],
    [
      8,
      mostOf({
        title: 'CPU',
        description: `Seconds of CPU a second. The ${most} busiest.`,
        unit: 'percentunit',
        expr: `sum by (owner, workspace) (${rate(scope, 'process_cpu_seconds_total')})`,
      }),
    ],
    [
      8,
      mostOf({
        title: 'Event loop',
        description: `Share of time that the event loop is busy. Near 100 % requests wait. The ${most} busiest.`,
        unit: 'percentunit',
        max: 1,
        expr: `max by (owner, workspace) (${select(scope, 'nodejs_eventloop_utilization')})`,
      }),
    ],
  ],
};

const perWorkspace = (expr: string): { expr: string } => ({ expr: `max by (owner, workspace) (${expr})` });

const workspaces: Row = {
  title: 'Workspaces',
  height: 12,
  panels: [
    [
      24,
      rows({
        title: 'Workspaces',
        description:
          'Each workspace as it is now. Gate is empty where there is none, the version where the sidecar does not answer.',
        unit: 'short',
        queries: [
          perWorkspace(select(scope, 'up')),
          { expr: `max by (owner, workspace, version) (${select(scope, 'boundary_build_info')})` },
          { expr: `max by (owner, workspace, mode, hash) (${select(scope, 'boundary_policy_info')})` },
          perWorkspace(select(scope, 'boundary_gate_connected')),
          perWorkspace(select(scope, 'boundary_policy_rules')),
          perWorkspace(`${select(scope, 'boundary_policy_loaded_timestamp_seconds')} * 1000`),
          {
            expr: `round(sum by (owner, workspace) (${within(scope, 'boundary_verdicts_total', 'verdict="deny"')}))`,
          },
          { expr: `round(sum by (owner, workspace) (${within(scope, 'boundary_audit_dropped_total')}))` },
          { expr: `sum by (owner, workspace) (${select(scope, 'boundary_doctor_finding')})` },
          perWorkspace(`${select(scope, 'boundary_ca_not_after_timestamp_seconds')} * 1000`),
          perWorkspace(select(scope, 'process_resident_memory_bytes')),
        ],
        columns: [
          ...ownerAndWorkspace,
          { field: 'Value #A', title: 'Sidecar', mappings: answers, steps: neutral },
          { field: 'Value #D', title: 'Gate', mappings: connected, steps: neutral },
          { field: 'version', title: 'Version' },
          { field: 'mode', title: 'Mode', mappings: modes, steps: neutral },
          { field: 'hash', title: 'Policy' },
          { field: 'Value #E', title: 'Rules' },
          { field: 'Value #F', title: 'Loaded', unit: 'dateTimeFromNow' },
          { field: 'Value #G', title: 'Denied' },
          { field: 'Value #H', title: 'Audit lost', steps: wrongFromOne },
          { field: 'Value #I', title: 'Findings', steps: wrongFromOne },
          { field: 'Value #J', title: 'CA ends', unit: 'dateTimeFromNow' },
          { field: 'Value #K', title: 'Memory', unit: 'bytes' },
        ],
        sortBy: 'Denied',
      }),
    ],
  ],
};

/** All workspaces of a Prometheus: is each one there and enforcing, who is denied what, what does it cost. */
export function fleetDashboard(): DashboardBuilder {
  const dashboard = new DashboardBuilder('boundary: fleet')
    .uid('boundary-fleet')
    .description('The boundaries of all workspaces: state, verdicts, latency, traffic, resources.')
    .tags(['boundary'])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('1m')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(datasourceVariable())
    .withVariable(labelVariable('owner', 'Owner', { many: true }))
    .withVariable(labelVariable('workspace', 'Workspace', { many: true, within: 'owner=~"$owner"' }));
  addRows(dashboard, [state, verdicts, latency, traffic, resources, workspaces]);
  return dashboard;
}
