import { write, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Output } from './batch-sink.ts';

const writeAsync = promisify(write);

/**
 * Writes to an open descriptor (stderr) from the thread pool: `process.stderr` writes to pipes synchronously, so that
 * a reader that stopped reading would stop every request.
 */
export function descriptorOutput(descriptor: number): Output {
  return {
    async write(bytes) {
      for (;;) {
        try {
          return (await writeAsync(descriptor, bytes, 0, bytes.length, null)).bytesWritten;
        } catch (error) {
          // Somebody made the descriptor non-blocking (a terminal shared with another process) and it is full.
          if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
          await pause(50, undefined, { ref: false });
        }
      }
    },
    writeSync(bytes) {
      writeSync(descriptor, bytes);
    },
    async close() {},
  };
}
