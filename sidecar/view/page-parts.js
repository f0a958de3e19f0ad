/** Fills the parts of the page. What the workspace sent becomes text and nothing else. */
import {
  decisionFields,
  deniedFields,
  detailFields,
  doctorText,
  remedyText,
  stateFields,
  stateTones,
} from './wording.js';

/**
 * @typedef {import('./wording.js').Decision} Decision
 * @typedef {import('./wording.js').Denied} Denied
 * @typedef {import('./wording.js').State} State
 * @typedef {import('../src/control/view/page-detail.ts').Detail} Detail
 */

/** @param {string} id @returns {HTMLElement} */
export function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no ${id}.`);
  return found;
}

/** @param {string} id @returns {HTMLElement} */
export function rowFrom(id) {
  const template = part(id);
  const row =
    template instanceof HTMLTemplateElement ? template.content.firstElementChild?.cloneNode(true) : null;
  if (!(row instanceof HTMLElement)) throw new Error(`The page has no template ${id}.`);
  return row;
}

/** @param {Element} within @param {Readonly<Record<string, string>>} fields */
function fill(within, fields) {
  for (const [name, text] of Object.entries(fields)) {
    const slot = within.querySelector(`[data-field="${name}"]`);
    if (slot !== null) setText(slot, text);
  }
}

/** Leaves a text alone that is right already: a selection in it would go. @param {Element} slot @param {string} text */
function setText(slot, text) {
  if (slot.textContent !== text) slot.textContent = text;
}

/** @param {HTMLTimeElement} element @param {string} time RFC 3339 */
function setTime(element, time) {
  const date = new Date(time);
  const clock = element.dataset.shape === 'clock';
  element.dateTime = time;
  element.title = date.toLocaleString();
  setText(
    element,
    clock
      ? date.toLocaleTimeString([], { hour12: false })
      : date.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }),
  );
}

/** Writes every time on the page in the time zone of the reader. @param {ParentNode} within */
export function localTimes(within) {
  for (const element of within.querySelectorAll('time')) setTime(element, element.dateTime);
}

/** @param {Element} paste @param {string | null} rule */
function fillPaste(paste, rule) {
  const code = paste.querySelector('code');
  if (code !== null) setText(code, rule === null ? '' : `- ${rule}`);
  if (paste instanceof HTMLElement) paste.hidden = rule === null;
  for (const button of paste.querySelectorAll('button')) button.hidden = false;
}

/** @param {HTMLElement} row @param {Decision} decision */
export function fillDecision(row, decision) {
  row.dataset.id = decision.id;
  row.dataset.verdict = decision.verdict;
  row.toggleAttribute('data-failed', decision.error !== null);
  fill(row, decisionFields(decision));
  const time = row.querySelector('time');
  if (time !== null) setTime(time, decision.time);
  row.querySelector('[data-detail]')?.setAttribute('href', `?id=${encodeURIComponent(decision.id)}`);
}

/** @param {readonly Denied[]} places */
export function fillDenied(places) {
  const list = part('denied-list');
  const before = new Map([...list.children].map((row) => [row.getAttribute('data-key'), row]));
  const rows = places.map((denied) => {
    const fields = deniedFields(denied);
    // A row that was there stays the same element, with the focus that may be in it.
    const row = before.get(fields.place) ?? rowFrom('denied-row');
    row.setAttribute('data-key', fields.place);
    const { rule: _, ...texts } = fields;
    fill(row, texts);
    for (const paste of row.querySelectorAll('.paste')) fillPaste(paste, denied.allow_rule);
    row.querySelector('[data-detail]')?.setAttribute('href', `?id=${encodeURIComponent(denied.last.id)}`);
    return row;
  });
  inOrder(list, rows);
  part('denied-empty').hidden = places.length > 0;
}

/** Moves only what stands elsewhere: an element that is moved loses its focus. @param {Element} list @param {Element[]} rows */
function inOrder(list, rows) {
  const kept = new Set(rows);
  for (const row of [...list.children]) if (!kept.has(row)) row.remove();
  rows.forEach((row, index) => {
    const there = list.children[index] ?? null;
    if (there !== row) list.insertBefore(row, there);
  });
}

/** @param {State} state */
export function fillState(state) {
  const tones = stateTones(state);
  for (const [name, text] of Object.entries(stateFields(state))) {
    for (const slot of document.querySelectorAll(`[data-state="${name}"]`)) {
      setText(slot, text);
      slot.setAttribute('data-tone', tones[name] ?? '');
    }
  }
  part('status').dataset.status = state.status;
  part('hash').title = `sha256 ${state.policy.hash}`;
  setText(part('run'), state.run);
  for (const [id, time] of [
    ['policy-since', state.policy.since],
    ['started', state.started_at],
  ]) {
    const element = document.querySelector(`#${id} time`);
    if (element instanceof HTMLTimeElement && time !== undefined) setTime(element, time);
  }
  fillDoctor(state.doctor);
}

/** @param {State['doctor']} doctor */
function fillDoctor(doctor) {
  setText(part('doctor-text'), doctorText(doctor));
  setText(part('doctor-time'), doctor === null ? '' : new Date(doctor.received_at).toLocaleString());
  const rows = (doctor?.checks ?? [])
    .filter(({ found }) => found === true)
    .map(({ check, meaning }) => {
      const row = rowFrom('doctor-row');
      fill(row, { check, meaning });
      return row;
    });
  part('doctor-list').replaceChildren(...rows);
}

const noDetail = {
  forgotten: 'This request is not remembered here any more. The audit log has it under its id.',
  unreachable: 'The boundary cannot be asked right now. Close this and try again once the page says “Live”.',
};

/** @param {Detail | 'forgotten' | 'unreachable'} asked */
export function fillDetail(asked) {
  const body = part('detail-body');
  const message = part('detail-message');
  message.hidden = typeof asked !== 'string';
  body.hidden = typeof asked === 'string';
  if (typeof asked === 'string') {
    setText(message, noDetail[asked]);
    return;
  }
  const { decision, remedy } = asked;
  body.dataset.verdict = decision.verdict;
  fill(body, { ...detailFields(decision), remedy: remedy === null ? '' : remedyText(remedy) });
  part('detail-remedy').hidden = remedy === null;
  const pastes = body.querySelectorAll('.paste');
  const wider = remedy?.allow_host_rule ?? null;
  part('detail-wider').hidden = wider === null;
  if (pastes[0] !== undefined) fillPaste(pastes[0], remedy?.allow_rule ?? null);
  if (pastes[1] !== undefined) fillPaste(pastes[1], wider);
}
