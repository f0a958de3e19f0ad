import { write } from 'node:fs';
import { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import type { PullDisplay } from '../isolation/container/pull.ts';
import type { Streams, Terminal } from '../isolation/container/run-attached.ts';
import { makeRaw } from '../isolation/container/terminal-mode.ts';
import { codeOf } from './command-error.ts';
import { inTerminalForeground, replaceErrorLine, writeError } from './terminal.ts';

const writeAsync = promisify(write);

/** How often a display that replaces itself does so at most, in milliseconds. */
const LIVE_MS = 100;

/** How long to wait before a full pipe that somebody else made non-blocking is tried again, in milliseconds. */
const FULL_MS = 5;

/**
 * This process's standard streams, for a command in a container. The command has a terminal where input and output both
 * are one; in the background of a terminal it gets no input, since reading there would stop this process.
 */
export function standardStreams(): Streams & Disposable {
  const background = isatty(0) && !inTerminalForeground();
  const input = background ? Readable.from([]) : process.stdin;
  return {
    input,
    terminal: isatty(0) && isatty(1) && !background ? terminal() : null,
    write: writeWhole,
    [Symbol.dispose]() {
      input.destroy(); // Else it would keep this process until its writer has closed it.
    },
  };
}

/** Where the progress of a pull goes: one line of a terminal, or a line for each step. Nowhere with `quiet`. */
export function pullDisplay(quiet: boolean): PullDisplay {
  const isLive = isatty(2);
  let shownAt = 0;
  return {
    isLive,
    live(text) {
      if (quiet || Date.now() - shownAt < LIVE_MS) return;
      shownAt = Date.now();
      replaceErrorLine(`boundary: ${text}`);
    },
    line(text) {
      if (quiet) return;
      if (isLive) replaceErrorLine('');
      writeError(`boundary: ${text}`);
    },
  };
}

function terminal(): Terminal {
  return {
    // A terminal that says nothing of its size has the size 0, as stty shows it.
    size: () => ({ rows: process.stdout.rows ?? 0, columns: process.stdout.columns ?? 0 }),
    raw: () => makeRaw(0),
    onResize(listener) {
      process.stdout.on('resize', listener);
      return () => process.stdout.removeListener('resize', listener);
    },
  };
}

/**
 * Not through process.stdout: it would set O_NONBLOCK on a pipe that others may share. Waits on a thread of Node's, so
 * that signals are taken meanwhile. Resolves to false where the reader has gone.
 */
async function writeWhole(descriptor: 1 | 2, bytes: Uint8Array): Promise<boolean> {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      const { bytesWritten } = await writeAsync(descriptor, rest);
      rest = rest.subarray(bytesWritten);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'EAGAIN') await new Promise((resolve) => setTimeout(resolve, FULL_MS));
      else return code !== 'EPIPE';
    }
  }
  return true;
}
