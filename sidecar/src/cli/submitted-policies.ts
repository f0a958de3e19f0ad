import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../certificates/write-whole.ts';
import { createSubmissions, readSubmission, type Submission } from '../control/submissions.ts';
import { loadPolicy } from '../policy/load.ts';
import type { LoadResult } from '../policy/types.ts';
import { CommandError, codeOf, messageOf } from './command-error.ts';
import {
  confinesMessage,
  type Loaded,
  type PolicyOrigin,
  type PolicyOriginOptions,
  takeUp,
} from './policy-origin.ts';
import { tellFaults } from './policy-source.ts';
import { writeError } from './terminal.ts';
import { unrecordedMessage } from './unrecorded-policy.ts';

/**
 * A policy that is handed in over a unix socket. The last one that was accepted is kept in the state directory and holds
 * from the start of the next sidecar on; a refused one leaves no trace. Without any, everything is denied.
 */
export function submittedPolicies(
  options: PolicyOriginOptions & { readonly submissions: string },
  env: NodeJS.ProcessEnv,
): PolicyOrigin {
  const { stateDir } = options;
  if (stateDir === undefined) {
    throw new CommandError('--submissions needs --state-dir, where the accepted policy is kept');
  }
  const path = join(stateDir, 'policy.json');
  const load = (submission: Submission | null): LoadResult => {
    const { file, text, allow, deny, mode } = submission ?? EMPTY;
    return loadPolicy({
      sources: [{ file, text }],
      allow,
      deny,
      ...(mode === null ? {} : { overrides: { mode } }),
      env,
      upstreamProxy: options.upstreamProxy !== undefined,
    });
  };
  const recorded = options.auditFile !== undefined || options.auditStdout === true;
  /** Why a policy that loads cannot be put in force by this sidecar; null where it can. */
  const unfit = ({ policy, settings }: Loaded): string | null => {
    if (policy.confines.length > 0) return confinesMessage(policy);
    // The connections are made before a policy comes, and what was kept must not decide who makes them.
    if (settings.upstreamProxy !== undefined && options.upstreamProxy === undefined)
      return '`upstream_proxy` is not taken from a policy that is handed in; start the sidecar with --upstream-proxy or BOUNDARY_UPSTREAM_PROXY, and remove the key';
    return recorded ? null : unrecordedMessage(policy, options.logLevel ?? settings.logLevel ?? 'info');
  };
  return {
    first: startingPolicy(path, load, unfit),
    async follow(engine, upstreamProxy) {
      const submit = (submission: Submission): LoadResult => {
        const loaded = load(submission);
        if (!loaded.ok) {
          tellFaults(loaded.faults);
          engine.metrics.policyReload('refused');
          writeError('boundary: a policy with faults (above) was handed in; the one that was in force stays');
          return loaded;
        }
        const why = unfit(loaded);
        if (why !== null) engine.metrics.policyReload('refused');
        const refused = why ?? takeUp(engine, loaded, options.upstreamProxy, upstreamProxy);
        if (refused !== null) return refusal(submission, refused);
        // After it is in force: what is kept was in force once, whatever happens now.
        const lost = keep(path, submission);
        if (lost === null) return loaded;
        const warning = { file: submission.file, line: 1, column: 1, message: lost };
        return { ...loaded, warnings: [...loaded.warnings, warning] };
      };
      const socket = await createSubmissions({
        path: options.submissions,
        submit,
        ready: () => engine.ready(),
      }).catch((error: unknown) => {
        throw new CommandError(`cannot take policies at ${options.submissions}: ${messageOf(error)}`);
      });
      const now = () => {
        const kept = readKept(path);
        if (kept !== null) submit(kept);
      };
      return { now, close: () => socket.close() };
    },
  };
}

const EMPTY: Submission = { file: 'policy.yaml', text: '', allow: [], deny: [], mode: null };

/** What was kept, where it still loads; else a policy that denies everything, said aloud. */
function startingPolicy(
  path: string,
  load: (submission: Submission | null) => LoadResult,
  unfit: (loaded: Loaded) => string | null,
): Loaded {
  const kept = readKept(path);
  if (kept === null) writeError('boundary: no policy yet; everything is denied until one is handed in');
  const loaded = load(kept);
  if (!loaded.ok) tellFaults(loaded.faults);
  else {
    const why = unfit(loaded);
    if (why === null) return loaded;
    writeError(`boundary: ${why}`);
  }
  writeError(
    'boundary: the policy that was kept cannot be put in force; everything is denied until one is handed in',
  );
  const empty = load(null);
  if (!empty.ok) throw new Error('an empty policy does not load');
  return empty;
}

function readKept(path: string): Submission | null {
  try {
    const kept = readSubmission(JSON.parse(readFileSync(path, 'utf8')));
    if (kept === null) writeError(`boundary: ${path} holds no policy; it is left out`);
    return kept;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') writeError(`boundary: ${path} cannot be read: ${messageOf(error)}`);
    return null;
  }
}

/** Why the policy will not be there after a restart; null where it will. */
function keep(path: string, submission: Submission): string | null {
  try {
    writeWhole(path, `${JSON.stringify(submission)}\n`, 0o600);
    return null;
  } catch (error) {
    const lost = `the policy is in force, but cannot be kept: a restart of the sidecar brings back the one before it (${messageOf(error)})`;
    writeError(`boundary: ${lost}`);
    return lost;
  }
}

function refusal({ file }: Submission, message: string): LoadResult {
  writeError(`boundary: ${message}; the policy that was in force stays`);
  return { ok: false, faults: [{ file, line: 1, column: 1, message }] };
}
