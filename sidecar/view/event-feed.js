/**
 * The stream of events, kept up. An EventSource comes back by itself after a cut connection, but not after an answer
 * that is no stream (a proxy's 502 while the sidecar restarts), nor from a connection that died without a word.
 */

/** Milliseconds without an event after which a connection is taken for dead; the sidecar sends one every 15 s. */
const silenceMs = 40_000;
const firstRetryMs = 1000;
const mostRetryMs = 30_000;

/**
 * @typedef {object} FeedListener
 * @property {(state: import('../src/control/view/state-view.ts').StateView) => void} state
 * @property {(decision: import('../src/control/view/decision-view.ts').DecisionView) => void} decision
 * @property {() => void} reset what is known is of an earlier run and has to go
 * @property {(connection: 'live' | 'lost') => void} connection
 */

/**
 * Listens until the page goes.
 * @param {string} address
 * @param {FeedListener} listener
 */
export function openFeed(address, listener) {
  let retryMs = firstRetryMs;
  let lastId = '';
  /** @type {EventSource | null} */
  let source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let silence;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(again, silenceMs);
  };

  const again = () => {
    source?.close();
    clearTimeout(silence);
    clearTimeout(retry);
    listener.connection('lost');
    // Not all tabs at the same moment.
    retry = setTimeout(open, retryMs * (0.75 + Math.random() / 2));
    retryMs = Math.min(retryMs * 2, mostRetryMs);
  };

  const open = () => {
    clearTimeout(retry);
    const opened = new EventSource(
      lastId === '' ? address : `${address}?after=${encodeURIComponent(lastId)}`,
    );
    source = opened;
    heard();
    opened.addEventListener('open', () => {
      retryMs = firstRetryMs;
      heard();
      listener.connection('live');
    });
    opened.addEventListener('error', () => {
      // CONNECTING: it tries again by itself.
      if (opened.readyState === EventSource.CLOSED) again();
      else listener.connection('lost');
    });
    opened.addEventListener('state', (event) => {
      heard();
      listener.state(JSON.parse(event.data));
    });
    opened.addEventListener('decision', (event) => {
      heard();
      lastId = event.lastEventId;
      listener.decision(JSON.parse(event.data));
    });
    opened.addEventListener('reset', () => {
      lastId = '';
      listener.reset();
    });
  };

  addEventListener('online', () => {
    if (source?.readyState !== EventSource.OPEN) open();
  });
  open();
}
