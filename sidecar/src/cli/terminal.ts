import { readFileSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { codeOf } from './command-error.ts';

/**
 * Writes a line to standard error without opening it as a stream: libuv would set O_NONBLOCK on the pipe, which the
 * confined command shares, and its own large writes would then fail with EAGAIN.
 */
export function writeError(line: string): void {
  writeAll(2, `${line}\n`);
}

/** Shows a text in the place of the last one that was shown so, on a terminal's standard error. */
export function replaceErrorLine(text: string): void {
  writeAll(2, `\r\x1b[K${text}`);
}

/** As `writeError`, to standard output. A reader that has gone away (`| head`) ends the output, not the command. */
export function writeOutput(line: string): void {
  writeAll(1, `${line}\n`);
}

function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      // A full pipe that someone else made non-blocking: wait a moment, without spinning, and go on.
      if (codeOf(error) === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      else return;
    }
  }
}

/** True where any of the three standard streams is a terminal: the command then owns it. */
export function ownsTerminal(): boolean {
  return isatty(0) || isatty(1) || isatty(2);
}

/**
 * Whether this process's group is the foreground group of its controlling terminal, which then sends SIGINT, SIGQUIT
 * and SIGWINCH to every process of the group by itself (proc(5), `stat`: pgrp is field 5, tpgid field 8).
 */
export function inTerminalForeground(stat = readFileSync('/proc/self/stat', 'utf8')): boolean {
  // The second field is the program's name in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const group = fields[2];
  return group !== undefined && group === fields[5];
}
