import {
  closeSync,
  copyFileSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';

/** At `seconds` (since the epoch) the address was the name's. */
export interface NameUse {
  readonly name: string;
  readonly address: string;
  readonly seconds: number;
}

/** An append-only file of uses, of which the last one about an address or a name holds. */
export interface NameJournal {
  /** Octets of the file. */
  readonly bytes: number;
  /** Writes one use. Null once it is written, so that it survives the end of this process; else why it could not be. */
  append(use: NameUse): string | null;
  /** Replaces all that the file holds, as a whole or not at all. Null, or why it could not be. */
  rewrite(uses: Iterable<NameUse>): string | null;
  close(): void;
}

export interface OpenedJournal {
  readonly journal: NameJournal;
  /** In the order in which they were written. */
  readonly uses: readonly NameUse[];
  /** What was found wrong, as sentences. */
  readonly warnings: readonly string[];
}

const LINE = /^([0-9a-f]{8}) (([0-9]{1,12}) ([0-9.]{7,15}) ([a-z0-9._-]{1,253}))$/;
const LINE_END = 0x0a;
const MODE = 0o600;
const BLOCK = 64 * 1024;

/**
 * Opens the journal at `path`, or begins one. It is text, a use to a line: a checksum, seconds, address and name.
 * Lines that cannot be read (a disk that lied, a power cut) are left out, and a copy of the file as it was stays
 * beside it as `PATH.damaged`. Never throws: where nothing can be read or written, the warnings say so, and every
 * `append` tries again.
 */
export function openNameJournal(path: string): OpenedJournal {
  const warnings: string[] = [];
  let text: Buffer = Buffer.alloc(0);
  try {
    text = readFileSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') warnings.push(unreadable(path, error));
  }
  const { uses, unread } = readLines(text);
  if (unread > 0) warnings.push(damageOf(path, unread, uses.length));
  return { journal: new FileJournal(path), uses, warnings };
}

function readLines(text: Buffer): { readonly uses: NameUse[]; readonly unread: number } {
  const uses: NameUse[] = [];
  let unread = 0;
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf(LINE_END, at);
    const end = found === -1 ? text.length : found;
    // A string of its own for each line: a part of one large string would keep all of it.
    const [, sum = '', body = '', seconds, address = '', name = ''] =
      LINE.exec(text.toString('latin1', at, end)) ?? [];
    if (sum !== '' && sum === checksum(body)) uses.push({ name, address, seconds: Number(seconds) });
    else if (end > at) unread++;
    at = end + 1;
  }
  return { uses, unread };
}

function unreadable(path: string, error: unknown): string {
  const lost = `The journal of names ${path} cannot be read (${codeOf(error)}); names get new addresses.`;
  return setAside(path, lost, renameSync);
}

function damageOf(path: string, unread: number, read: number): string {
  const lost = `The journal of names ${path} is damaged: ${unread} of its lines cannot be read, ${read} are in use.`;
  return setAside(path, lost, copyFileSync);
}

function setAside(path: string, lost: string, put: (from: string, to: string) => void): string {
  const aside = `${path}.damaged`;
  try {
    put(path, aside);
    return `${lost} What was there is in ${aside} now.`;
  } catch (error) {
    return `${lost} It could not be set aside (${codeOf(error)}).`;
  }
}

class FileJournal implements NameJournal {
  readonly #path: string;
  #file: number | null = null;
  #closed = false;
  bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  append(use: NameUse): string | null {
    if (this.#closed) return `The journal of names ${this.#path} is closed.`;
    try {
      const file = this.#opened();
      const line = Buffer.from(lineOf(use), 'latin1');
      // No fsync: the process may die at any moment, and then the page is the kernel's; where the machine dies, so do
      // those who were told the address.
      const written = writeSync(file, line);
      if (written < line.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      this.bytes += written;
      return null;
    } catch (error) {
      this.#undo();
      return `The journal of names ${this.#path} cannot be written (${codeOf(error)}): free space on that disk, or make it writable.`;
    }
  }

  rewrite(uses: Iterable<NameUse>): string | null {
    if (this.#closed) return `The journal of names ${this.#path} is closed.`;
    const temporary = `${this.#path}.new`;
    let file: number | null = null;
    try {
      rmSync(temporary, { force: true });
      file = openSync(temporary, 'ax', MODE);
      const bytes = writeLines(file, uses);
      fsyncSync(file);
      renameSync(temporary, this.#path);
      syncDirectory(dirname(this.#path));
      this.#shut();
      this.#file = file;
      this.bytes = bytes;
      return null;
    } catch (error) {
      if (file !== null) closeSync(file);
      // Which file stands under the name now is not certain: the next line opens it anew.
      this.#shut();
      try {
        rmSync(temporary, { force: true });
      } catch {
        // Where the directory is not to be written to, nothing was left in it.
      }
      return `The journal of names ${this.#path} cannot be made shorter (${codeOf(error)}).`;
    }
  }

  close(): void {
    this.#closed = true;
    this.#shut();
  }

  /** The file, ready for a line of its own. */
  #opened(): number {
    if (this.#file !== null) return this.#file;
    const file = openSync(this.#path, 'a', MODE);
    try {
      this.bytes = fstatSync(file).size;
      // Whatever the file ends with, the next line begins at a line's beginning.
      if (this.bytes > 0) this.bytes += writeSync(file, '\n');
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#file = file;
    return file;
  }

  /** Takes back what of a line was written, so that nobody takes it for damage. */
  #undo(): void {
    try {
      if (this.#file !== null) ftruncateSync(this.#file, this.bytes);
    } catch {
      // The file is opened anew for the next line, which then begins on a line of its own.
      this.#shut();
    }
  }

  #shut(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

function lineOf({ name, address, seconds }: NameUse): string {
  const body = `${Math.floor(seconds)} ${address} ${name}`;
  return `${checksum(body)} ${body}\n`;
}

/** Writes a line per use, in blocks; the octets written. */
function writeLines(file: number, uses: Iterable<NameUse>): number {
  let bytes = 0;
  let block = '';
  function flush(): void {
    const content = Buffer.from(block, 'latin1');
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at);
    bytes += content.length;
    block = '';
  }
  for (const use of uses) {
    block += lineOf(use);
    if (block.length >= BLOCK) flush();
  }
  flush();
  return bytes;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
