import { decisionFields } from '../../../view/wording.js';
import type { DecisionView } from './decision-view.ts';
import { type Html, html } from './html.ts';
import { timeOf } from './page-pieces.ts';

/** What the list can be narrowed to, by the value of `?verdict=`. */
export const filters = [
  { value: 'all', label: 'All' },
  { value: 'refused', label: 'Denied' },
  { value: 'allow', label: 'Allowed' },
] as const;

export type Filter = (typeof filters)[number]['value'];

/** The list of the last decisions, newest first. */
export function decisionsPart(decisions: readonly DecisionView[], filter: Filter): Html {
  const shown = decisions.some(
    ({ verdict }) => filter === 'all' || (verdict === 'allow') === (filter === 'allow'),
  );
  return html`<section class="panel" id="decisions" aria-labelledby="decisions-title">
<div class="panel-head">
<h2 id="decisions-title">Last decisions</h2>
<nav class="filters" aria-label="Narrow the list">${filters.map(
    ({ value, label }) =>
      html`<a href="?verdict=${value}" data-filter="${value}" ${value === filter ? html`aria-current="true"` : null}>${label}</a>`,
  )}</nav>
<button type="button" id="pause" aria-pressed="false" hidden>Pause</button>
</div>
<p class="empty" id="decisions-empty" ${shown ? html`hidden` : null}>Nothing to show yet. Requests of the workspace appear here when they are judged.</p>
<ol class="decisions" id="decision-list" data-filter="${filter}">${decisions.map(decisionRow)}</ol>
<template id="decision-row">${decisionRow(blank)}</template>
</section>
`;
}

function decisionRow(decision: DecisionView): Html {
  const { verdict, method, url, outcome, duration, size, rule, reason } = decisionFields(decision);
  return html`<li class="decision" data-id="${decision.id}" data-verdict="${decision.verdict}" ${decision.error === null ? null : html`data-failed`}>
${timeOf(decision.time, 'clock')}
<span class="badge" data-field="verdict">${verdict}</span>
<span class="request"><b class="method" data-field="method">${method}</b> <span class="url" data-field="url">${url}</span></span>
<span class="rule" data-field="rule">${rule}</span>
<span class="outcome" data-field="outcome">${outcome}</span>
<span class="duration" data-field="duration">${duration}</span>
<span class="size" data-field="size">${size}</span>
<span class="why"><span class="reason" data-field="reason">${reason}</span> <a href="?id=${decision.id}" data-detail>Why?</a></span>
</li>
`;
}

/** What a row is made of in the browser, which fills it. */
const blank: DecisionView = {
  id: '',
  time: new Date(0).toISOString(),
  protocol: 'http',
  method: '',
  url: '',
  host: '',
  port: null,
  address: null,
  verdict: 'deny',
  rule: null,
  reason: '',
  ended: true,
  status: null,
  bytes_in: null,
  bytes_out: null,
  duration_ms: null,
  error: null,
};
