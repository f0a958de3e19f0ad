import type { Row } from '../layout.ts';
import { connected, found } from '../mappings.ts';
import { lines, rightAtOne, states, wrongFromOne } from '../panels.ts';
import { rate, workspace as scope, select } from '../queries.ts';

/** Policy, audit log, certificates, gate and doctor over time. */
export const records: Row = {
  title: 'Policy, audit, gate',
  height: 8,
  panels: [
    [
      8,
      lines({
        title: 'Reloads of the policy',
        description: 'New policies within each step: put in force (ok), or refused for their faults.',
        unit: 'short',
        queries: [
          {
            expr: `sum by (result) (increase(${select(scope, 'boundary_policy_reloads_total')}[$__rate_interval]))`,
            legend: '{{result}}',
          },
        ],
        colours: { ok: 'green', refused: 'red' },
      }),
    ],
    [
      8,
      lines({
        title: 'Audit lines',
        description: 'Lines a second that were written, by sink, and that were lost.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (sink) (${rate(scope, 'boundary_audit_written_total')})`,
            legend: 'written to {{sink}}',
          },
          {
            expr: `sum by (sink, reason) (${rate(scope, 'boundary_audit_dropped_total')}) > 0`,
            legend: 'lost by {{sink}}: {{reason}}',
          },
        ],
      }),
    ],
    [
      8,
      lines({
        title: 'Certificates',
        description:
          'Certificates made a second for hosts whose TLS is opened, and how many are kept. Many made and few kept: the workspace asks for ever new hosts.',
        unit: 'short',
        queries: [
          { expr: `sum(${rate(scope, 'boundary_certificates_minted_total')})`, legend: 'made a second' },
          { expr: `sum(${select(scope, 'boundary_certificates_cached')})`, legend: 'kept' },
        ],
      }),
    ],
    [
      8,
      states({
        title: 'Gate over time',
        description:
          'Whether the sidecar held the sockets of its gate. After a restart of either they are handed over again within seconds.',
        unit: 'short',
        queries: [{ expr: `min(${select(scope, 'boundary_gate_connected')})`, legend: 'gate' }],
        mappings: connected,
        steps: rightAtOne,
      }),
    ],
    [
      8,
      lines({
        title: 'Handovers',
        description:
          'How often the gate handed its sockets over within each step: once after each start of either.',
        unit: 'short',
        queries: [
          {
            expr: `sum(increase(${select(scope, 'boundary_gate_handovers_total')}[$__rate_interval]))`,
            legend: 'handovers',
          },
        ],
      }),
    ],
    [
      8,
      states({
        title: 'Doctor findings over time',
        description:
          'What boundary doctor said in the workspace, by check. It is what the workspace says of itself.',
        unit: 'short',
        queries: [
          { expr: `max by (check) (${select(scope, 'boundary_doctor_finding')})`, legend: '{{check}}' },
        ],
        mappings: found,
        steps: wrongFromOne,
      }),
    ],
  ],
};
