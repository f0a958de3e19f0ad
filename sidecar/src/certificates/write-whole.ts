import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

/** Writes a file that others see whole or not at all, with exactly this mode; one that is there is replaced. */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  withTemporary(path, content, mode, (temporary) => renameSync(temporary, path));
}

/** As {@link writeWhole}, but leaves a file that is there; false where one was. Of several writers one wins. */
export function createWhole(path: string, content: string | Uint8Array, mode: number): boolean {
  return withTemporary(path, content, mode, (temporary) => {
    try {
      linkSync(temporary, path);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
  });
}

function withTemporary<T>(
  path: string,
  content: string | Uint8Array,
  mode: number,
  place: (temporary: string) => T,
): T {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = openSync(temporary, 'wx', mode);
    try {
      // The umask has taken its share of the mode that openSync was told.
      fchmodSync(file, mode);
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return place(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}
