import { readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeWhole } from '../certificates/write-whole.ts';
import { messageOf } from './command-error.ts';

/**
 * Why a sidecar could not start, left beside its submission socket for who waits there: the container that it ends with
 * is started again and again, and tells nobody else.
 */
function notePath(socket: string): string {
  return join(dirname(socket), 'fatal.txt');
}

/** Runs `start`; what it throws is left as a note, and an earlier note is taken away first. */
export async function notingFatal<T>(socket: string | undefined, start: () => Promise<T>): Promise<T> {
  if (socket === undefined) return start();
  const path = notePath(socket);
  rmSync(path, { force: true });
  try {
    return await start();
  } catch (error) {
    try {
      writeWhole(path, `${messageOf(error)}\n`, 0o600);
    } catch {
      // The directory may be what is wrong. The message is on standard error in any case.
    }
    throw error;
  }
}

/** The note beside a submission socket, and whether it was left after `since` (milliseconds since 1970); or null. */
export function fatalNote(
  socket: string,
  since: number,
): { readonly reason: string; readonly fresh: boolean } | null {
  return noteAt(notePath(socket), since, (text) => text.trim());
}

/**
 * What a file says, where it says something, and whether that is newer than `since`: a note of an earlier part may lie
 * there until the next one starts.
 */
export function noteAt(
  path: string,
  since: number,
  read: (text: string) => string | null,
): { readonly reason: string; readonly fresh: boolean } | null {
  try {
    const reason = read(readFileSync(path, 'utf8'));
    return reason === null || reason === '' ? null : { reason, fresh: statSync(path).mtimeMs > since };
  } catch {
    return null;
  }
}
