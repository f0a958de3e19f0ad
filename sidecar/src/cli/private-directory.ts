import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { CommandError, messageOf } from './command-error.ts';

/**
 * A directory that only this user may enter (mkdtemp makes it 0700), with a name nobody could guess.
 * `Symbol.dispose` removes it with all it holds.
 */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'boundary-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Where boundary keeps what should survive it: `$XDG_STATE_HOME/boundary`, by default `~/.local/state/boundary`. */
export function stateDirectory(env: NodeJS.ProcessEnv): string {
  // A relative value is to be ignored (XDG Base Directory Specification, "Basics").
  const base = env.XDG_STATE_HOME;
  if (base !== undefined && isAbsolute(base)) return join(base, 'boundary');
  return join(env.HOME || homedir(), '.local', 'state', 'boundary');
}

/** Makes a directory and its parents, for this user alone where it is new. `purpose` completes "cannot make ...". */
export function makeDirectory(path: string, purpose: string): void {
  try {
    makeWithParents(resolve(path));
  } catch (error) {
    throw new CommandError(
      `cannot make ${path} for ${purpose}: ${messageOf(error)}; name a place where this user may write`,
    );
  }
}

/** `recursive: true` of Node's own mkdir never returns below /proc, where mkdir(2) says ENOENT whatever exists. */
function makeWithParents(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeWithParents(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
