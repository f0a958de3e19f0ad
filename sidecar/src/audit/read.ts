import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { type AuditLine, parseAuditLine } from './audit-line.ts';
import { maxLineBytes } from './line.ts';

/** What was read beside the lines themselves. Filled while reading; complete when the reading ends. */
export interface ReadReport {
  /** Lines that were read, broken ones included. */
  lines: number;
  /** Lines that are not audit lines; `firstBroken` says where the first one is (`FILE:LINE`). */
  broken: number;
  firstBroken: string | null;
  /** The last line of a file has no end: its writer was killed, or is writing. */
  unfinished: boolean;
  /** Lines that the log says it could not write. */
  dropped: number;
}

/** A report to hand to `readAudit`. */
export function readReport(): ReadReport {
  return { lines: 0, broken: 0, firstBroken: null, unfinished: false, dropped: 0 };
}

/**
 * Reads an audit file, line by line in bounded memory, the files that were set aside (`path.1`, `path.2`, ...) first,
 * oldest to newest. What is not an audit line is counted in `report` and left out.
 * @throws the system's error where the file itself cannot be read
 */
export async function* readAudit(path: string, report: ReadReport): AsyncGenerator<AuditLine> {
  for (const file of await auditFiles(path)) yield* readAuditStream(createReadStream(file), file, report);
}

/** As `readAudit`, of a stream such as standard input. `name` is what positions call it. */
export async function* readAuditStream(
  stream: Readable,
  name: string,
  report: ReadReport,
): AsyncGenerator<AuditLine> {
  let number = 0;
  for await (const { text, whole } of lines(stream)) {
    number++;
    report.lines++;
    if (!whole) report.unfinished = true;
    const line = text === null ? null : parseAuditLine(text);
    if (line === null) {
      report.broken++;
      report.firstBroken ??= `${name}:${number}`;
    } else if (line.event === 'dropped') report.dropped += line.count;
    else yield line;
  }
}

/** The file and those set aside, oldest first. */
async function auditFiles(path: string): Promise<string[]> {
  const files = [path];
  for (let index = 1; ; index++) {
    const older = `${path}.${index}`;
    const found = await stat(older).catch(() => null);
    if (found === null) return files;
    files.unshift(older);
  }
}

/** Lines without their ends; null for one that is longer than any audit line. Empty lines are left out. */
async function* lines(stream: Readable): AsyncGenerator<{ text: string | null; whole: boolean }> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let tooLong = false;
  for await (const chunk of stream) {
    const pieces = (rest + decoder.write(chunk)).split('\n');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (tooLong || piece.length > maxLineBytes) yield { text: null, whole: true };
      else if (piece !== '') yield { text: piece, whole: true };
      tooLong = false;
    }
    if (rest.length > maxLineBytes) {
      rest = '';
      tooLong = true;
    }
  }
  rest += decoder.end();
  if (tooLong || rest.length > maxLineBytes) yield { text: null, whole: false };
  else if (rest !== '') yield { text: rest, whole: false };
}
