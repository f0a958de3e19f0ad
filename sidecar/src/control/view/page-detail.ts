import { detailFields, remedyText } from '../../../view/wording.js';
import type { DecisionView } from './decision-view.ts';
import type { Remedy } from './denial-view.ts';
import { type Html, html } from './html.ts';
import { rulePaste } from './page-pieces.ts';

/** One decision and, where it was no allow, what would let it pass. */
export interface Detail {
  readonly decision: DecisionView;
  readonly remedy: Remedy | null;
}

/**
 * One request in full. Where scripts run it is a dialog; else it stands at the head of the page.
 * @param asked 'nothing' where no request was asked for, 'forgotten' where it is not remembered any more
 */
export function detailPart(asked: Detail | 'nothing' | 'forgotten'): Html {
  const known = typeof asked === 'object' ? asked : null;
  const fields = known === null ? null : detailFields(known.decision);
  const remedy = known?.remedy ?? null;
  const row = (label: string, field: keyof NonNullable<typeof fields>) =>
    html`<div><dt>${label}</dt><dd data-field="${field}">${fields?.[field] ?? null}</dd></div>
`;
  return html`<dialog id="detail" class="panel" aria-labelledby="detail-title" ${asked === 'nothing' ? null : html`open`}>
<div class="panel-head"><h2 id="detail-title">One request</h2><a class="button" id="detail-close" href="./">Close</a></div>
<p class="empty" id="detail-message" ${asked === 'forgotten' ? null : html`hidden`}>This request is not remembered here any more. The audit log has it under its id.</p>
<div id="detail-body" data-verdict="${known?.decision.verdict ?? null}" ${known === null ? html`hidden` : null}>
<p class="request-line"><span class="badge" data-field="verdict">${fields?.verdict ?? null}</span> <span class="url" data-field="request">${fields?.request ?? null}</span></p>
<p class="lead" data-field="reason">${fields?.reason ?? null}</p>
<div id="detail-remedy" ${remedy === null ? html`hidden` : null}>
<h3>What would allow it</h3>
<p data-field="remedy">${remedy === null ? null : remedyText(remedy)}</p>
${rulePaste(remedy?.allow_rule ?? '', 'allow_rule')}
<p id="detail-wider" ${remedy?.allow_host_rule == null ? html`hidden` : null}>Or, for everything at this host:</p>
${rulePaste(remedy?.allow_host_rule ?? '', 'allow_host_rule')}
<h3>Whom to ask</h3>
<p>The people who keep the policy of this workspace. Show them this request and its id. Nothing here can change the policy, and another way to the same place is refused and recorded as well.</p>
</div>
<dl class="facts">
${row('Rule that decided', 'rule')}${row('Address', 'address')}${row('Outcome', 'outcome')}${row('Id in the audit log', 'id')}</dl>
</div>
</dialog>
`;
}
