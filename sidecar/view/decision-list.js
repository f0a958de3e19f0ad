import { fillDecision, part, rowFrom } from './page-parts.js';

/** How many rows are kept of each kind, as many as the sidecar remembers. */
const mostRows = 200;

/** @typedef {import('./wording.js').Decision} Decision */

/** The list of the last decisions: newest first, one row each, filled again when the request ends. */
export class DecisionList {
  #list = part('decision-list');
  #empty = part('decisions-empty');
  #pause = part('pause');
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  /** What came since the last frame, or since the list was paused. @type {Map<string, Decision>} */
  #waiting = new Map();
  #paused = false;
  #scheduled = false;

  constructor() {
    for (const row of this.#list.children) {
      if (row instanceof HTMLElement) this.#rows.set(row.dataset.id ?? '', row);
    }
    this.#pause.hidden = false;
    this.#pause.addEventListener('click', () => {
      this.#paused = !this.#paused;
      this.#pause.setAttribute('aria-pressed', String(this.#paused));
      if (!this.#paused) this.#draw();
      this.#label();
    });
    for (const link of document.querySelectorAll('[data-filter][href]')) {
      link.addEventListener('click', (event) => {
        event.preventDefault();
        this.#narrow(link);
      });
    }
  }

  /** @param {Decision} decision */
  add(decision) {
    this.#waiting.delete(decision.id);
    this.#waiting.set(decision.id, decision);
    // In a tab that nobody looks at no frame is drawn: what waits stays bounded.
    if (this.#waiting.size > 2 * mostRows) this.#waiting.delete(this.#waiting.keys().next().value ?? '');
    if (this.#paused) this.#label();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => {
        this.#scheduled = false;
        if (!this.#paused) this.#draw();
      });
    }
  }

  clear() {
    this.#waiting.clear();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#showEmpty();
  }

  #draw() {
    for (const decision of this.#waiting.values()) {
      const known = this.#rows.get(decision.id);
      if (known !== undefined) {
        fillDecision(known, decision);
        continue;
      }
      const row = rowFrom('decision-row');
      fillDecision(row, decision);
      this.#rows.set(decision.id, row);
      this.#list.insertBefore(row, this.#olderThan(decision.id));
    }
    this.#waiting.clear();
    this.#trim('[data-verdict="allow"]');
    this.#trim(':not([data-verdict="allow"])');
    this.#showEmpty();
  }

  /** The first row of an earlier request: ids end in numbers that grow. @param {string} id @returns {Element | null} */
  #olderThan(id) {
    const number = numberOf(id);
    for (const row of this.#list.children) {
      if (row instanceof HTMLElement && numberOf(row.dataset.id ?? '') < number) return row;
    }
    return null;
  }

  /** @param {string} kind */
  #trim(kind) {
    for (const row of [...this.#list.querySelectorAll(`:scope > ${kind}`)].slice(mostRows)) {
      if (row instanceof HTMLElement) this.#rows.delete(row.dataset.id ?? '');
      row.remove();
    }
  }

  #label() {
    const count = this.#waiting.size;
    this.#pause.textContent = this.#paused ? (count === 0 ? 'Go on' : `Go on (${count} new)`) : 'Pause';
  }

  /** @param {Element} link */
  #narrow(link) {
    const filter = link.getAttribute('data-filter') ?? 'all';
    this.#list.dataset.filter = filter;
    for (const other of document.querySelectorAll('[data-filter][href]')) {
      if (other === link) other.setAttribute('aria-current', 'true');
      else other.removeAttribute('aria-current');
    }
    history.replaceState(null, '', `?verdict=${filter}`);
    this.#showEmpty();
  }

  #showEmpty() {
    const filter = this.#list.dataset.filter;
    const shown =
      filter === 'allow'
        ? ':scope > [data-verdict="allow"]'
        : filter === 'refused'
          ? ':scope > :not([data-verdict="allow"])'
          : ':scope > li';
    this.#empty.hidden = this.#list.querySelector(shown) !== null;
  }
}

/** @param {string} id `RUN-SEQ` */
function numberOf(id) {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}
