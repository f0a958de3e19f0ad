import type { Row } from '../layout.ts';
import { lines, type PanelOf, rows } from '../panels.ts';
import * as parts from '../parts.ts';
import { decisionsWithin, rate, workspace as scope } from '../queries.ts';

/** Decisions by rule and what else matters, most first. */
function decisions(about: {
  title: string;
  description: string;
  matchers: string;
  by: readonly string[];
  count: string;
}): PanelOf {
  const { title, description, matchers, by, count } = about;
  return rows({
    title,
    description,
    unit: 'short',
    queries: [{ expr: `topk(50, round(sum by (${by.join(', ')}) ${decisionsWithin(scope, matchers)}) > 0)` }],
    columns: [
      ...by.map((field) => ({ field, title: field.replace(/^./, (letter) => letter.toUpperCase()) })),
      { field: 'Value', title: count, width: 110 },
    ],
    sortBy: count,
  });
}

/** What was allowed and denied, and by which rules. */
export const verdicts: Row = {
  title: 'Verdicts',
  height: 9,
  panels: [
    [8, parts.verdicts(scope)],
    [
      8,
      lines({
        title: 'Denials by rule',
        description:
          'Denials a second by the rule that decided; none: no rule allowed it. A rule is seen from its second denial on; the table counts all.',
        unit: 'reqps',
        queries: [
          {
            expr: `topk(10, sum by (rule) (${rate(scope, 'boundary_decisions_total', 'verdict="deny"')}))`,
            legend: '{{rule}}',
          },
        ],
      }),
    ],
    [
      8,
      lines({
        title: 'Decisions by protocol',
        description:
          'Decisions a second: https was opened and judged by method and path; tls and tcp passed unread; dns: names that no rule could allow.',
        unit: 'reqps',
        queries: [
          {
            expr: `sum by (protocol) (${rate(scope, 'boundary_decisions_total')})`,
            legend: '{{protocol}}',
          },
        ],
        stacked: true,
      }),
    ],
    [
      8,
      decisions({
        title: 'Top denying rules',
        description:
          'Denials within the time range; rule none: no rule allowed it. The hosts stand in the audit log.',
        matchers: 'verdict="deny"',
        by: ['rule', 'protocol', 'method'],
        count: 'Denied',
      }),
    ],
    [
      8,
      decisions({
        title: 'What enforcing would deny',
        description:
          'What passed within the time range in mode audit although the policy does not allow it. Empty while the policy enforces.',
        matchers: 'verdict="would-deny"',
        by: ['rule', 'protocol', 'method'],
        count: 'Would deny',
      }),
    ],
    [
      8,
      decisions({
        title: 'Most used rules',
        description: 'What was allowed within the time range, by the rule that allowed it.',
        matchers: 'verdict="allow"',
        by: ['rule', 'protocol', 'method'],
        count: 'Allowed',
      }),
    ],
  ],
};
