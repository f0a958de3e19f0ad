/** A regular file of an archive. `path` is relative and at most 100 bytes with the archive's own directory before it. */
export interface ArchiveFile {
  readonly path: string;
  readonly contents: Uint8Array;
  readonly mode: number;
}

const BLOCK = 512;

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

/** The header of one entry (POSIX.1-1988 ustar, the format every tar reads). */
function header(path: string, size: number, mode: number): Buffer {
  if (Buffer.byteLength(path) > 100)
    throw new Error(`${path}: longer than the 100 bytes that a ustar name holds`);
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108); // owner
  block.write(octal(0, 8), 116); // group
  block.write(octal(size, 12), 124);
  block.write(octal(0, 12), 136); // time of change: the same sources must give the same bytes
  block.write(' '.repeat(8), 148); // the checksum counts as spaces while it is taken
  block.write('0', 156); // a regular file
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/**
 * A tar archive whose bytes depend on its files alone: sorted by path, without times and owners.
 *
 * @param directory the one directory that holds everything in the archive
 */
export function tarArchive(directory: string, files: readonly ArchiveFile[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const file of [...files].sort((left, right) => (left.path < right.path ? -1 : 1))) {
    parts.push(header(`${directory}/${file.path}`, file.contents.length, file.mode), file.contents);
    parts.push(Buffer.alloc((BLOCK - (file.contents.length % BLOCK)) % BLOCK));
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}
