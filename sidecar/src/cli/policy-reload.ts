import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { LoadResult } from '../policy/types.ts';
import { watchFile } from './file-watch.ts';

export interface PolicyReloadOptions {
  /** The file to watch; null where the policy came from flags alone: then only `now` reloads. */
  readonly path: string | null;
  /** Reads and compiles the policy anew. */
  read(): LoadResult;
  /** A policy was read whole and is to be put in force. */
  accepted(result: Extract<LoadResult, { ok: true }>): void;
  /** The file changed and has faults: what was in force stays. Called once for each state of the file. */
  refused(result: Extract<LoadResult, { ok: false }>): void;
}

export interface PolicyReload {
  /** Reloads even where the file is unchanged (SIGHUP): the files and variables that it refers to may differ. */
  now(): void;
  close(): void;
}

/** Reloads a policy when its file changes. All or nothing: no half of a file is ever in force. */
export function reloadOnChange(options: PolicyReloadOptions): PolicyReload {
  const { path } = options;
  let seen = fingerprint(path);
  const reload = () => {
    // Taken before reading: a change in between is then seen again rather than missed.
    seen = fingerprint(path);
    const result = options.read();
    if (result.ok) options.accepted(result);
    else options.refused(result);
  };
  const look = () => {
    if (fingerprint(path) !== seen) reload();
  };
  const stop = path === null ? () => {} : watchFile(path, look);
  return { now: reload, close: stop };
}

/** What a file holds, by its hash, or why it cannot be read. */
function fingerprint(path: string | null): string {
  if (path === null) return '';
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    return String(error);
  }
}
