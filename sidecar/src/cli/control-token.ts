import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createWhole } from '../certificates/write-whole.ts';
import { CommandError, codeOf, messageOf } from './command-error.ts';

const shortest = 16;

/**
 * The token that the control listener's `/v1` asks for: what `--control-token-file` holds, else the one kept as
 * `control-token` (mode 0600) in the CA directory, made there the first time.
 * Throws CommandError for a file that others can read, or that holds less than 16 characters.
 */
export function controlToken(file: string | undefined, caDirectory: string): string {
  if (file !== undefined) return readToken(file);
  const path = join(caDirectory, 'control-token');
  createWhole(path, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  return readToken(path);
}

function readToken(path: string): string {
  const { text, mode } = readOpened(path);
  // A mounted secret is often readable by a group (Kubernetes: fsGroup), hence only "others" are refused.
  if ((mode & 0o007) !== 0) {
    throw new CommandError(
      `${path} holds the control token and everybody can read it; run: chmod o= ${path}`,
    );
  }
  const token = text.trim();
  if (token.length < shortest || /[^\x21-\x7e]/.test(token)) {
    throw new CommandError(
      `${path} holds no usable control token; expected at least ${shortest} printable characters without spaces, on one line`,
    );
  }
  return token;
}

function readOpened(path: string): { text: string; mode: number } {
  try {
    const descriptor = openSync(path, 'r');
    try {
      return { text: readFileSync(descriptor, 'utf8'), mode: fstatSync(descriptor).mode };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const advice = codeOf(error) === 'ENOENT' ? '; check the path given to --control-token-file' : '';
    throw new CommandError(`cannot read the control token: ${messageOf(error)}${advice}`);
  }
}
