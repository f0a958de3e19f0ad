/** Keeps the page up to date. Every address is relative, so that it works below any prefix. */
import { DecisionList } from './decision-list.js';
import { openFeed } from './event-feed.js';
import { fillDenied, fillDetail, fillState, localTimes, part } from './page-parts.js';

/** Milliseconds between a denial and the look at what is denied most. */
const deniedMs = 600;
/** Milliseconds between two things that a screen reader is told of denials. */
const announceMs = 10_000;

const list = new DecisionList();
const connection = part('connection');
const detail = /** @type {HTMLDialogElement} */ (part('detail'));

/** Whether what comes is news: the first lot is what had happened before. */
let loaded = false;
/** @type {Set<string>} */
const unannounced = new Set();
let refreshing = false;

/** Tells a screen reader of denials, several at a time. @param {string} id */
function announce(id) {
  if (!loaded) return;
  if (unannounced.size === 0) setTimeout(sayDenials, announceMs);
  unannounced.add(id);
}

function sayDenials() {
  const count = unannounced.size;
  part('announcement').textContent =
    count === 1 ? 'One request was denied.' : `${count} requests were denied.`;
  unannounced.clear();
}

/** Asks for what is denied most, soon and not too often. */
function refreshDenied() {
  if (refreshing) return;
  refreshing = true;
  setTimeout(async () => {
    refreshing = false;
    const response = await fetch('api/denied').catch(() => null);
    // What cannot be had leaves what is shown: the head of the page says that the connection is lost.
    if (response?.ok === true) fillDenied((await response.json()).denied);
  }, deniedMs);
}

document.addEventListener('click', (event) => {
  const clicked = event.target instanceof Element ? event.target : null;
  const link = clicked?.closest('a[data-detail]');
  const copy = clicked?.closest('[data-copy]');
  if (link instanceof HTMLAnchorElement && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    void showDetail(link);
  } else if (copy instanceof HTMLButtonElement) void copyRule(copy);
});

/** @param {HTMLAnchorElement} link */
async function showDetail(link) {
  const id = new URL(link.href).searchParams.get('id') ?? '';
  fillDetail(await detailOf(id));
  if (!detail.open) detail.showModal();
}

/** @param {string} id @returns {Promise<import('./page-parts.js').Detail | 'forgotten' | 'unreachable'>} */
async function detailOf(id) {
  try {
    const response = await fetch(`api/explain?id=${encodeURIComponent(id)}`);
    if (response.ok) return await response.json();
    return response.status === 404 ? 'forgotten' : 'unreachable';
  } catch {
    return 'unreachable';
  }
}

/** The page was opened with `?id=`: what stands in it becomes a dialog. */
function showDetailOfAddress() {
  if (!detail.open) return;
  detail.removeAttribute('open');
  detail.showModal();
}

part('detail-close').addEventListener('click', (event) => {
  event.preventDefault();
  detail.close();
});
detail.addEventListener('click', (event) => {
  // The dialog itself is hit only where its content is not: on the backdrop.
  if (event.target === detail) detail.close();
});
detail.addEventListener('close', () => {
  if (location.search.includes('id=')) history.replaceState(null, '', './');
});

/** @param {HTMLButtonElement} button */
async function copyRule(button) {
  const code = button.parentElement?.querySelector('code');
  if (!code) return;
  const copied = (await written(code.textContent ?? '')) || copiedSelection(code);
  button.textContent = copied ? 'Copied' : 'Press Ctrl+C';
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 2000);
}

/** @param {string} text */
async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not over plain HTTP, and not in a frame without permission.
    return false;
  }
}

/** Selects the text, so that a key can copy it where the page may not. @param {Element} code */
function copiedSelection(code) {
  const selection = getSelection();
  if (selection === null) return false;
  selection.selectAllChildren(code);
  return document.execCommand('copy');
}

localTimes(document);
for (const button of document.querySelectorAll('[data-copy]')) {
  if (button instanceof HTMLButtonElement) button.hidden = false;
}
showDetailOfAddress();

openFeed('api/events', {
  state: fillState,
  decision(decision) {
    list.add(decision);
    if (decision.verdict === 'allow') return;
    refreshDenied();
    announce(decision.id);
  },
  reset() {
    list.clear();
    refreshDenied();
  },
  connection(now) {
    connection.dataset.tone = now === 'live' ? 'good' : 'bad';
    const text = now === 'live' ? 'Live' : 'Connection lost. What is shown may be old; trying again.';
    if (connection.textContent !== text) connection.textContent = text;
    if (now === 'live') {
      refreshDenied();
      // What was there before is no news.
      setTimeout(() => {
        loaded = true;
      }, 1000);
    }
  },
});
