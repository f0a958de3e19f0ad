/**
 * How the view words what the API tells: pure functions from its JSON to text. The page is made with them in the sidecar
 * and kept up to date with them in the browser.
 *
 * @typedef {import('../src/control/view/decision-view.ts').DecisionView} Decision
 * @typedef {import('../src/control/view/denial-view.ts').DeniedView} Denied
 * @typedef {import('../src/control/view/denial-view.ts').Remedy} Remedy
 * @typedef {import('../src/control/view/state-view.ts').StateView} State
 */

const verdictWords = { allow: 'Allowed', deny: 'Denied', 'would-deny': 'Would be denied' };

/** @param {number | null} bytes */
export function sizeText(bytes) {
  if (bytes === null) return '';
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** @param {number | null} ms */
export function durationText(ms) {
  if (ms === null) return '';
  if (ms < 1) return '<1 ms';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} count */
export function countText(count) {
  return count.toLocaleString('en');
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** @param {{file: string, line: number} | null} rule */
export function ruleLabel(rule) {
  return rule === null ? '' : `${rule.file}:${rule.line}`;
}

/**
 * The texts of one row of the list, by the name of the field that shows them.
 * @param {Decision} decision
 */
export function decisionFields(decision) {
  const { verdict, ended, error, status } = decision;
  const url =
    decision.url ??
    (decision.host === null
      ? `${decision.protocol}: no target could be made of it`
      : placeText(decision.protocol, decision.host, decision.port));
  const outcome = !ended && verdict !== 'deny' ? 'open' : (status ?? '');
  return {
    verdict: verdictWords[verdict],
    method: decision.method ?? decision.protocol.toUpperCase(),
    url,
    outcome: error === null ? String(outcome) : `${outcome} ${error}`.trim(),
    duration: verdict === 'deny' ? '' : durationText(decision.duration_ms),
    size: verdict === 'deny' || decision.bytes_out === null ? '' : sizeText(decision.bytes_out),
    rule: ruleLabel(decision.rule),
    reason: verdict === 'allow' ? '' : decision.reason,
  };
}

/**
 * @param {string} protocol
 * @param {string} host
 * @param {number | null} port
 */
export function placeText(protocol, host, port) {
  const name = host.includes(':') ? `[${host}]` : host;
  return `${protocol}://${name}${port === null ? '' : `:${port}`}`;
}

/** @param {Denied} denied */
export function deniedFields(denied) {
  const { last } = denied;
  return {
    count: `${denied.at_least ? 'at least ' : ''}${countText(denied.count)}×`,
    place: placeText(denied.protocol, denied.host, denied.port),
    last: last.method === null || last.url === null ? '' : `last: ${last.method} ${last.url}`,
    remedy: remedyText(denied),
    rule: denied.allow_rule ?? '',
  };
}

/**
 * The texts about one request, by the name of the field that shows them.
 * @param {Decision} decision
 */
export function detailFields(decision) {
  const { verdict, method, url } = decisionFields(decision);
  const { outcome, duration } = decisionFields({ ...decision, verdict: 'allow' });
  return {
    verdict,
    request: `${method} ${url}`,
    reason: decision.reason,
    rule: ruleLabel(decision.rule) || 'none spoke',
    address: decision.address ?? 'not looked up or not connected',
    outcome: decision.ended
      ? [outcome || 'no answer', duration].filter((text) => text !== '').join(', ')
      : 'open',
    id: decision.id,
  };
}

/**
 * What would let a denied request pass, in one sentence.
 * @param {Remedy} remedy
 */
export function remedyText({ now, change, allow_rule }) {
  if (now === 'allow') {
    return 'The policy in force has nothing against this URL: it changed since, or what was refused is not in the URL (see the reason).';
  }
  if (allow_rule !== null) return 'The smallest rule that would allow it, for the list "allow":';
  if (change === null) return 'No rule would let it pass: see the reason.';
  return `It would pass with a change of the policy: ${change}.`;
}

/**
 * The texts about the state, by the name of the field that shows them.
 * @param {State} state
 */
export function stateFields(state) {
  const { policy, audit, counters, deployment } = state;
  return {
    title: { enforcing: 'Enforcing', audit: 'Audit only', 'not-ready': 'Not ready' }[state.status],
    sentence: sentenceOf(state),
    hash: policy.hash.slice(0, 12),
    rules: counted(policy.rules, 'rule'),
    inspect: { always: 'opened', auto: 'opened where a rule asks', never: 'passed unopened' }[policy.inspect],
    isolation: state.isolation,
    gate:
      state.gate_connected === null
        ? 'none: clients are told of the proxy'
        : state.gate_connected
          ? 'connected'
          : 'not connected',
    audit:
      (audit.healthy ? 'recording' : 'cannot record') +
      (audit.dropped_lines === 0 ? '' : `, ${counted(audit.dropped_lines, 'line')} lost`),
    deployment: deployment === null ? 'none set' : `${hostOf(deployment)}, passed unopened`,
    version: state.version,
    allowed: countText(counters.allowed),
    denied: countText(counters.denied),
    wouldDeny: countText(counters.would_deny),
    open: countText(counters.open),
    failed: countText(counters.failed),
    received: sizeText(counters.bytes_out),
    sent: sizeText(counters.bytes_in),
  };
}

/** @param {string} url */
function hostOf(url) {
  return URL.canParse(url) ? new URL(url).host : url;
}

/**
 * How good or bad what is shown is, by the name of the field: '' where there is nothing to say.
 * @param {State} state
 * @returns {Record<string, '' | 'good' | 'warn' | 'bad'>}
 */
export function stateTones(state) {
  const { audit, policy, counters } = state;
  const fatal = policy.on_audit_failure === 'deny';
  return {
    title: state.status === 'enforcing' ? 'good' : state.status === 'audit' ? 'warn' : 'bad',
    gate: state.gate_connected === false ? 'bad' : '',
    allowed: counters.allowed > 0 ? 'good' : '',
    denied: counters.denied > 0 ? 'bad' : '',
    wouldDeny: counters.would_deny > 0 || policy.mode === 'audit' ? 'warn' : '',
    audit: audit.healthy ? (audit.dropped_lines > 0 ? 'warn' : '') : fatal ? 'bad' : 'warn',
  };
}

/** @param {State} state */
function sentenceOf({ status, reasons, policy }) {
  if (status === 'not-ready') return `Nothing new passes: ${reasons.join('; ') || 'no reason was given'}.`;
  if (status === 'audit') {
    return 'What no rule allows passes all the same and is marked “would be denied”. Special addresses stay closed.';
  }
  return policy.rules === 0
    ? 'The policy has no rule, so nothing is allowed.'
    : 'What no rule of the policy allows is denied.';
}

/**
 * What a report of the doctor says, in one sentence.
 * @param {State['doctor']} doctor
 */
export function doctorText(doctor) {
  if (doctor === null) {
    return 'No report yet. The startup script of the workspace runs “boundary doctor”, which reports here.';
  }
  const found = doctor.checks.filter((check) => check.found === true).length;
  const made = doctor.checks.filter((check) => check.found !== null).length;
  if (found > 0) return `${counted(found, 'finding')} in ${counted(made, 'check')}.`;
  return made === 0 ? 'The report held no check.' : `${counted(made, 'check')}, nothing found.`;
}
