import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
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

/**
 * A writer empties a file before it fills it, and may fill it in steps. An empty file is a policy, and half of one may
 * lack its deny rules: a file is read once it has rested this long, in milliseconds.
 */
const restMs = 250;

/** Reloads a policy when its file changes. All or nothing: no half of a file is ever in force. */
export function reloadOnChange(options: PolicyReloadOptions): PolicyReload {
  const { path } = options;
  let seen = fingerprint(path);
  let asked = false;
  let timer: NodeJS.Timeout | undefined;
  const reload = () => {
    timer = undefined;
    const rest = restOf(path);
    if (rest > 0) {
      timer = setTimeout(reload, rest);
      return;
    }
    const found = fingerprint(path);
    if (!asked && found === seen) return;
    const result = options.read();
    // It may have been emptied since it was looked at.
    if (restOf(path) > 0 || fingerprint(path) !== found) {
      timer = setTimeout(reload, restMs);
      return;
    }
    asked = false;
    seen = found;
    if (result.ok) options.accepted(result);
    else options.refused(result);
  };
  const look = () => {
    if (timer === undefined) reload();
  };
  const stop = path === null ? () => {} : watchFile(path, look);
  return {
    now() {
      asked = true;
      look();
    },
    close() {
      clearTimeout(timer);
      stop();
    },
  };
}

/** The clock of a file system may be somewhat ahead of ours, in milliseconds. */
const clockSkewMs = 1_000;

/** Milliseconds until a file may be read. */
function restOf(path: string | null): number {
  return path === null ? 0 : restMs - ageOf(path);
}

/** Milliseconds since a file was last written to. A file of the future counts as old, as does one that is not there. */
function ageOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  const age = stats === undefined ? Number.POSITIVE_INFINITY : Date.now() - stats.mtimeMs;
  return age < -clockSkewMs ? Number.POSITIVE_INFINITY : Math.max(age, 0);
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
