import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { launcherScript } from '../../scripts/launcher.ts';
import { tarArchive } from '../../scripts/tar-archive.ts';
import type { TestCa } from '../harness/test-ca.ts';

const ROOT = join(import.meta.dirname, '../..');

/**
 * A directory as `make build-all` leaves it, with archives of the real shape whose Node is a script that prints a version:
 * what is under test is the installer.
 */
export function makeStubRelease(directory: string, version: string): void {
  mkdirSync(directory, { recursive: true });
  const sums = ['amd64', 'arm64'].map((arch) => {
    const name = `boundary-${version}-linux-${arch}`;
    const text = (contents: string): Uint8Array => Buffer.from(contents);
    const tar = tarArchive(name, [
      { path: 'bin/boundary', contents: text(launcherScript('lib/boundary/node', 'main.js')), mode: 0o755 },
      { path: 'lib/boundary/node', contents: text(`#!/bin/sh\necho "boundary ${version}"\n`), mode: 0o755 },
    ]);
    const archive = gzipSync(tar);
    writeFileSync(join(directory, `${name}.tar.gz`), archive);
    return `${createHash('sha256').update(archive).digest('hex')}  ${name}.tar.gz\n`;
  });
  writeFileSync(join(directory, 'SHA256SUMS'), sums.join(''));
  writeFileSync(join(directory, 'VERSION'), `${version}\n`);
  copyFileSync(join(ROOT, 'scripts/install.sh'), join(directory, 'install.sh'));
}

/** Serves a directory over https on localhost. */
export async function serveDirectory(
  directory: string,
  ca: TestCa,
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(ca.issue(['localhost', '127.0.0.1']), (request, response) => {
    try {
      response.end(readFileSync(join(directory, request.url ?? '/')));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://localhost:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
