import { stateFields, stateTones } from '../../../view/wording.js';
import { type Html, html } from './html.ts';
import { timeOf } from './page-pieces.ts';
import type { StateView } from './state-view.ts';

/** How the boundary stands, and what was counted. */
export function statePart(state: StateView): Html {
  const fields = stateFields(state);
  const tones = stateTones(state);
  const slot = (field: keyof typeof fields) => html`data-state="${field}" data-tone="${tones[field] ?? ''}"`;
  const fact = (label: string, field: keyof typeof fields, more: Html | null = null) =>
    html`<div><dt>${label}</dt><dd><span ${slot(field)}>${fields[field]}</span>${more}</dd></div>
`;
  const count = (label: string, field: keyof typeof fields, kind: string) =>
    html`<div class="count" data-kind="${kind}"><dt>${label}</dt><dd ${slot(field)}>${fields[field]}</dd></div>
`;
  return html`<section class="panel status" id="status" data-status="${state.status}" aria-labelledby="status-title">
<h2 id="status-title" ${slot('title')}>${fields.title}</h2>
<p class="lead" ${slot('sentence')}>${fields.sentence}</p>
<dl class="facts">
${fact('Policy', 'rules', html` <code title="sha256 ${state.policy.hash}" id="hash" ${slot('hash')}>${fields.hash}</code>`)}<div><dt>In force since</dt><dd id="policy-since">${timeOf(state.policy.since, 'full')}</dd></div>
${fact('TLS', 'inspect')}${fact('Isolation', 'isolation')}${fact('Gate', 'gate')}${fact('Audit log', 'audit')}${fact('Coder deployment', 'deployment')}</dl>
</section>
<section class="counts-part" aria-labelledby="counts-title">
<h2 class="unseen" id="counts-title">Counted since the start</h2>
<dl class="counts" id="counts">
${count('Allowed', 'allowed', 'allow')}${count('Denied', 'denied', 'deny')}${count('Would be denied', 'wouldDeny', 'would-deny')}${count('Open now', 'open', '')}${count('Failed', 'failed', '')}${count('Sent', 'sent', '')}${count('Received', 'received', '')}</dl>
<p class="muted since">Counted since the boundary started, <span id="started">${timeOf(state.started_at, 'full')}</span>.</p>
</section>
`;
}
