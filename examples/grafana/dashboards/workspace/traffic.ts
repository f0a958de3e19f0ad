import type { Row } from '../layout.ts';
import { lines } from '../panels.ts';
import * as parts from '../parts.ts';
import { quantile, rate, workspace as scope, select } from '../queries.ts';

/** How long things take. */
export const latency: Row = {
  title: 'Latency',
  height: 8,
  panels: [
    [6, parts.firstByte(scope)],
    [
      6,
      lines({
        title: 'Time of a whole request',
        description: 'From a request to the end of its answer. Streams last as long as the model writes.',
        unit: 's',
        queries: [
          { expr: quantile(scope, 0.5, 'boundary_request_seconds'), legend: 'p50' },
          { expr: quantile(scope, 0.99, 'boundary_request_seconds'), legend: 'p99' },
        ],
      }),
    ],
    [6, parts.connectTime(scope)],
    [6, parts.decisionTime(scope)],
  ],
};

/** What moves, and what fails on the way. */
export const traffic: Row = {
  title: 'Traffic',
  height: 8,
  panels: [
    [8, parts.connections(scope)],
    [8, parts.bytes(scope)],
    [8, parts.upstreamErrors(scope)],
    [8, parts.dnsQuestions(scope)],
    [
      8,
      lines({
        title: 'Names looked up',
        description:
          'Lookups of allowed names a second. hit: answered by the cache. failure: the resolver of the sidecar does not answer.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (result) (${rate(scope, 'boundary_dns_lookups_total')})`,
            legend: '{{result}}',
          },
        ],
      }),
    ],
    [
      8,
      lines({
        title: 'Names with an address',
        description:
          'Names that have an address of their own in the workspace now; without a gate there are none.',
        unit: 'short',
        queries: [{ expr: `sum(${select(scope, 'boundary_dns_names')})`, legend: 'names' }],
      }),
    ],
  ],
};
