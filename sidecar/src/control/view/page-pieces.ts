import { type Html, html } from './html.ts';

/** @param shape the time of day alone, or with its date; the browser writes both in its own time zone */
export function timeOf(time: string, shape: 'clock' | 'full'): Html {
  const text =
    shape === 'clock' ? `${time.slice(11, 19)}Z` : `${time.slice(0, 10)} ${time.slice(11, 16)} UTC`;
  return html`<time datetime="${time}" data-shape="${shape}" title="${time}">${text}</time>`;
}

/** A rule to be pasted, with a button that the browser shows once it can copy. Hidden where there is none. */
export function rulePaste(rule: string, field: string): Html {
  return html`<div class="paste" ${rule === '' ? html`hidden` : null}><code tabindex="0" data-field="${field}">${rule === '' ? null : `- ${rule}`}</code><button type="button" data-copy hidden>Copy</button></div>`;
}
