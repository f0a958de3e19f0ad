import { closeSync, constants, fchmodSync, fstatSync, mkdirSync, openSync, write, writeSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import type { Output } from './batch-sink.ts';

const writeAsync = promisify(write);

/** The audit file could not be opened. The message says what was found and what to do. */
export class AuditFileError extends Error {
  override readonly name = 'AuditFileError';
}

export interface FileOutputOptions {
  readonly path: string;
  /** The file is set aside as `path.1` before it would grow past this. */
  readonly maxBytes: number;
  /** How many files that were set aside are kept; `path.1` is the newest. */
  readonly keep: number;
  /** How often to look whether somebody else has set the file aside, in milliseconds. */
  readonly checkMs?: number;
}

interface OpenFile {
  readonly descriptor: number;
  readonly device: number;
  readonly inode: number;
  size: number;
}

/**
 * Opens or makes an audit file: mode 0600, appending, regular, not a symbolic link.
 * @throws AuditFileError
 */
function openAuditFile(path: string): OpenFile {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // O_NONBLOCK: opening a FIFO that nobody reads fails (ENXIO) in place of waiting for ever.
    descriptor = openSync(path, O_APPEND | O_CREAT | O_WRONLY | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    throw new AuditFileError(openFault(path, error), { cause: error });
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile()) {
      throw new AuditFileError(
        `The audit file ${path} is not a regular file. Name another path, or one that does not exist yet.`,
      );
    }
    if ((found.mode & 0o077) !== 0) fchmodSync(descriptor, 0o600);
    return { descriptor, device: found.dev, inode: found.ino, size: found.size };
  } catch (error) {
    closeSync(descriptor);
    if (error instanceof AuditFileError) throw error;
    throw new AuditFileError(openFault(path, error), { cause: error });
  }
}

function openFault(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ELOOP') {
    return `The audit file ${path} is a symbolic link, which is not followed. Name the file itself.`;
  }
  const detail = error instanceof Error ? error.message : String(error);
  return `The audit file ${path} cannot be opened for writing (${detail}). Name a path in a directory that this user may write.`;
}

/**
 * Appends to a file, sets it aside when it is full, and opens it anew when somebody else did (logrotate) or removed
 * it. Opened at once, so that a path that cannot work is an error of the start.
 * @throws AuditFileError
 */
export function fileOutput(options: FileOutputOptions): Output {
  const { path, maxBytes, keep, checkMs = 1000 } = options;
  let file: OpenFile | null = openAuditFile(path);
  let checkedAt = performance.now();
  let rotateAfter = 0;

  const release = (): void => {
    if (file !== null) closeSync(file.descriptor);
    file = null;
  };

  async function follow(): Promise<void> {
    const now = performance.now();
    if (file === null || now - checkedAt < checkMs) return;
    checkedAt = now;
    const found = await stat(path).catch(() => null);
    if (found === null || found.dev !== file.device || found.ino !== file.inode) release();
    else file.size = found.size;
  }

  /** The names move up by one; the oldest goes. A failure keeps the present file, which then grows. */
  async function rotate(): Promise<void> {
    try {
      if (keep === 0) await rm(path, { force: true });
      for (let index = keep; index > 0; index--) {
        const from = index === 1 ? path : `${path}.${index - 1}`;
        await rename(from, `${path}.${index}`).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
      }
      release();
    } catch {
      rotateAfter = performance.now() + 60_000;
    }
  }

  return {
    async write(bytes, lineStart) {
      if (lineStart) {
        await follow();
        const full = file !== null && file.size > 0 && file.size + bytes.length > maxBytes;
        if (full && performance.now() >= rotateAfter) await rotate();
      }
      file ??= openAuditFile(path);
      const { bytesWritten } = await writeAsync(file.descriptor, bytes, 0, bytes.length, null);
      file.size += bytesWritten;
      return bytesWritten;
    },
    writeSync(bytes) {
      file ??= openAuditFile(path);
      let offset = 0;
      while (offset < bytes.length) offset += writeSync(file.descriptor, bytes, offset);
    },
    async close() {
      release();
    },
  };
}
