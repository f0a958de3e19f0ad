import { deniedFields, doctorText } from '../../../view/wording.js';
import type { DeniedView } from './denial-view.ts';
import { type Html, html } from './html.ts';
import { rulePaste, timeOf } from './page-pieces.ts';
import type { StateView } from './state-view.ts';

/** Where most is denied, each with the rule that would change it. */
export function deniedPart(places: readonly DeniedView[]): Html {
  return html`<section class="panel" id="denied" aria-labelledby="denied-title">
<div class="panel-head"><h2 id="denied-title">Denied most</h2></div>
<p class="empty" id="denied-empty" ${places.length > 0 ? html`hidden` : null}>Nothing was denied since the start.</p>
<ol class="places" id="denied-list">${places.map(placeRow)}</ol>
<template id="denied-row">${placeRow(blank)}</template>
</section>
`;
}

function placeRow(denied: DeniedView): Html {
  const { count, place, last, remedy, rule } = deniedFields(denied);
  return html`<li class="place" data-key="${place}">
<p class="place-head"><b class="url" data-field="place">${place}</b> <span class="times" data-field="count">${count}</span></p>
<p class="muted"><span class="url" data-field="last">${last}</span> <a href="?id=${denied.last.id}" data-detail>Why?</a></p>
<p class="remedy" data-field="remedy">${remedy}</p>
${rulePaste(rule, 'rule')}
</li>
`;
}

/** What `boundary doctor` found inside the workspace. */
export function doctorPart(doctor: StateView['doctor']): Html {
  const found = doctor?.checks.filter((check) => check.found === true) ?? [];
  return html`<section class="panel" id="doctor" aria-labelledby="doctor-title">
<div class="panel-head"><h2 id="doctor-title">What the workspace says of itself</h2></div>
<p><span id="doctor-text">${doctorText(doctor)}</span> <span id="doctor-time" class="muted">${doctor === null ? null : timeOf(doctor.received_at, 'full')}</span></p>
<ul class="findings" id="doctor-list">${found.map(({ check, meaning }) => findingRow(check, meaning))}</ul>
<template id="doctor-row">${findingRow('', '')}</template>
</section>
`;
}

function findingRow(check: string, meaning: string): Html {
  return html`<li><code data-field="check">${check}</code> <span data-field="meaning">${meaning}</span></li>
`;
}

/** What a row is made of in the browser, which fills it. */
const blank: DeniedView = {
  protocol: 'https',
  host: '',
  port: null,
  count: 0,
  at_least: false,
  last: {
    id: '',
    time: new Date(0).toISOString(),
    method: null,
    url: null,
    verdict: 'deny',
    rule: null,
    reason: '',
  },
  now: 'deny',
  change: null,
  allow_rule: null,
  allow_host_rule: null,
};
