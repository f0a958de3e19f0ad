import { createWriteStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { Container } from 'dockerode';
import { extract, pack } from 'tar-stream';
import { engineStatus } from './container-error.ts';

/** Who may read a file that is put into a container: the user that the parts run as. */
const OWNER = 65532;

/** Puts a file into a container that has not started, or into a volume of it. */
export async function putFile(
  container: Container,
  directory: string,
  name: string,
  content: string | Buffer,
): Promise<void> {
  const archive = pack();
  archive.entry({ name, mode: 0o444, uid: OWNER, gid: OWNER, mtime: new Date(0) }, content);
  archive.finalize();
  await container.putArchive(await buffer(archive), { path: directory });
}

/**
 * Copies a regular file out of a container, which may have stopped, to a new file of this user alone.
 * Resolves to false where the container has no such file.
 */
export async function getFile(container: Container, path: string, to: string): Promise<boolean> {
  let archive: NodeJS.ReadableStream;
  try {
    archive = await container.getArchive({ path });
  } catch (error) {
    if (engineStatus(error) === 404) return false;
    throw error;
  }
  let found = false;
  const entries = extract();
  entries.on('entry', (header, content, next) => {
    const isFile = header.type === 'file' && !found;
    found ||= isFile;
    const written = isFile
      ? pipeline(content, createWriteStream(to, { mode: 0o600, flags: 'wx' }))
      : content.resume() && Promise.resolve();
    written.then(
      () => next(),
      (error: unknown) => next(error),
    );
  });
  await pipeline(archive, entries);
  return found;
}
