import type { Row } from '../layout.ts';
import { answers, connected } from '../mappings.ts';
import { neutral, noteFromOne, number, rightAtOne, wrongFromOne } from '../panels.ts';
import * as parts from '../parts.ts';
import { workspace as scope, select } from '../queries.ts';

const day = 86_400;

/** Whether it is there, what it enforces, and what went wrong within the time range. */
export const state: Row = {
  title: 'State',
  height: 4,
  panels: [
    [
      3,
      number({
        title: 'Sidecar',
        description: 'Whether the sidecar answers. Where it does not, the workspace has no way out.',
        unit: 'short',
        queries: [{ expr: `min(${select(scope, 'up')})` }],
        mappings: answers,
        steps: rightAtOne,
      }),
    ],
    [
      3,
      number({
        title: 'Gate',
        description: 'Whether the sidecar holds the sockets of its gate. "none": this sidecar has no gate.',
        unit: 'short',
        queries: [{ expr: `min(${select(scope, 'boundary_gate_connected')})` }],
        mappings: connected,
        steps: rightAtOne,
        none: 'none',
      }),
    ],
    [
      3,
      number({
        title: 'Mode',
        description: 'The mode of the policy in force. audit: nothing is denied.',
        unit: 'short',
        queries: [{ expr: `max by (mode) (${select(scope, 'boundary_policy_info')})`, legend: '{{mode}}' }],
        steps: neutral,
        names: { enforce: 'green', audit: 'orange' },
      }),
    ],
    [
      3,
      number({
        title: 'Rules',
        description: 'Rules of the policy in force, those of its presets included.',
        unit: 'short',
        queries: [{ expr: `max(${select(scope, 'boundary_policy_rules')})` }],
        steps: ['orange', [1, 'blue']],
      }),
    ],
    [
      3,
      number({
        title: 'Policy loaded',
        description: 'When the policy in force was loaded.',
        unit: 'dateTimeFromNow',
        queries: [{ expr: `max(${select(scope, 'boundary_policy_loaded_timestamp_seconds')}) * 1000` }],
        steps: neutral,
      }),
    ],
    [
      3,
      number({
        title: 'Running since',
        description: 'When the process of the sidecar started.',
        unit: 'dateTimeFromNow',
        queries: [{ expr: `max(${select(scope, 'process_start_time_seconds')}) * 1000` }],
        steps: neutral,
      }),
    ],
    [
      3,
      number({
        title: 'CA ends in',
        description:
          'How long the certificate authority of the boundary lasts. Renew it with boundary ca renew before that.',
        unit: 's',
        decimals: 0,
        queries: [{ expr: `min(${select(scope, 'boundary_ca_not_after_timestamp_seconds')}) - time()` }],
        steps: ['red', [2 * day, 'orange'], [14 * day, 'green']],
      }),
    ],
    [
      3,
      number({
        title: 'Version',
        description: 'Version of boundary, and the Node that it runs on.',
        unit: 'short',
        queries: [
          {
            expr: `max by (version, node) (${select(scope, 'boundary_build_info')})`,
            legend: '{{version}} (Node {{node}})',
          },
        ],
        steps: neutral,
        names: {},
      }),
    ],
    [4, parts.denied(scope)],
    [4, parts.auditLost(scope)],
    [4, parts.policiesRefused(scope)],
    [
      4,
      number({
        title: 'Restarts',
        description:
          'How often the sidecar started again within the time range. Connections that it held ended then.',
        unit: 'short',
        queries: [{ expr: `sum(changes(${select(scope, 'process_start_time_seconds')}[$__range]))` }],
        steps: noteFromOne,
      }),
    ],
    [
      4,
      number({
        title: 'Doctor findings',
        description:
          'What boundary doctor found missing or open in the workspace: see the panel below. It is what the workspace says of itself.',
        unit: 'short',
        queries: [{ expr: `sum(${select(scope, 'boundary_doctor_finding')})` }],
        steps: wrongFromOne,
        none: 'no report',
      }),
    ],
    [
      4,
      number({
        title: 'Doctor reported',
        description: 'When boundary doctor last reported from the workspace: at each of its starts.',
        unit: 'dateTimeFromNow',
        queries: [{ expr: `max(${select(scope, 'boundary_doctor_reported_timestamp_seconds')}) * 1000` }],
        steps: neutral,
        none: 'no report',
      }),
    ],
  ],
};
