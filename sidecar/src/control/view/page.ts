import type { DecisionView } from './decision-view.ts';
import type { DeniedView } from './denial-view.ts';
import { html } from './html.ts';
import { decisionsPart, type Filter } from './page-decisions.ts';
import { deniedPart, doctorPart } from './page-denied.ts';
import { type Detail, detailPart } from './page-detail.ts';
import { timeOf } from './page-pieces.ts';
import { statePart } from './page-state.ts';
import type { StateView } from './state-view.ts';

/** Everything that the page shows at first; scripts keep it up to date from then on. */
export interface PageContent {
  readonly state: StateView;
  readonly decisions: readonly DecisionView[];
  readonly denied: readonly DeniedView[];
  readonly filter: Filter;
  readonly detail: Detail | 'nothing' | 'forgotten';
  /** milliseconds since 1970 */
  readonly now: number;
}

/** The whole page. Every address in it is relative: what stands before it strips a prefix or none. */
export function page(content: PageContent): string {
  const { state } = content;
  const name = workspaceName(state);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>boundary${name === '' ? null : ` · ${name}`}</title>
<link rel="icon" type="image/svg+xml" href="icon.svg">
<link rel="stylesheet" href="view.css">
<script type="module" src="view.js"></script>
</head>
<body>
<a class="skip" href="#decisions">Skip to the last decisions</a>
<header class="top">
<img src="icon.svg" alt="" width="28" height="28">
<h1>boundary</h1>
<span class="workspace">${name}</span>
<p class="connection" id="connection" role="status" data-tone=""><span>As of ${timeOf(new Date(content.now).toISOString(), 'clock')}. Reload for news.</span></p>
</header>
<main>
${detailPart(content.detail)}${statePart(state)}<div class="columns">
${decisionsPart(content.decisions, content.filter)}<div class="aside">
${deniedPart(content.denied)}${doctorPart(state.doctor)}</div>
</div>
</main>
<footer>
<p>This page reads and changes nothing. It comes to you through the workspace, whose owner could show you another one: the audit log outside of the workspace is the record. boundary ${state.version}, run <code id="run">${state.run}</code>. <a href="ca.pem" download>CA certificate</a></p>
</footer>
<p class="unseen" id="announcement" role="status"></p>
</body>
</html>
`.text;
}

function workspaceName({ owner, workspace }: StateView): string {
  return [owner, workspace].filter((part) => part !== null).join('/');
}
