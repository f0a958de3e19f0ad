/**
 * Makes dist/release/: for each platform an archive with the bundle and its own Node, so that a user needs neither npm
 * nor Node, then SHA256SUMS and install.sh. The same sources give the same bytes. `make build-all` runs it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { bundle, ENTRY, ROOT, version } from './bundle.ts';
import { koffiFiles } from './koffi-files.ts';
import { launcherScript } from './launcher.ts';
import { fileOf, pinnedTarball } from './pinned-package.ts';
import { type ArchiveFile, tarArchive } from './tar-archive.ts';

/** Linux's name of a processor beside Node's, which is also that of the npm packages that bring native code for it. */
const PLATFORMS = [
  { arch: 'amd64', processor: 'x64' },
  { arch: 'arm64', processor: 'arm64' },
] as const;

const release = join(ROOT, 'dist/release');

function archiveFiles(program: ReadonlyMap<string, Uint8Array>, tarball: string): ArchiveFile[] {
  const own = (path: string): Uint8Array => readFileSync(join(ROOT, path));
  const launcher = Buffer.from(launcherScript('lib/boundary/node', `lib/boundary/${ENTRY}`));
  const files: ArchiveFile[] = [
    { path: 'bin/boundary', contents: launcher, mode: 0o755 },
    { path: 'lib/boundary/node', contents: fileOf(tarball, 'package/bin/node'), mode: 0o755 },
    { path: 'lib/boundary/NODE-LICENSE', contents: fileOf(tarball, 'package/LICENSE'), mode: 0o644 },
    ...['LICENSE', 'README.md', 'CHANGELOG.md'].map((path) => ({ path, contents: own(path), mode: 0o644 })),
  ];
  for (const [path, contents] of program) files.push({ path: `lib/boundary/${path}`, contents, mode: 0o644 });
  return files;
}

const program = await bundle().catch(() => process.exit(1)); // esbuild has said why.
rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });
const sums: string[] = [];
for (const { arch, processor } of PLATFORMS) {
  const name = `boundary-${version()}-linux-${arch}`;
  const files = new Map([...program, ...koffiFiles([processor])]);
  const tar = tarArchive(name, archiveFiles(files, pinnedTarball(`node-linux-${processor}`)));
  const contents = gzipSync(tar, { level: constants.Z_DEFAULT_COMPRESSION });
  writeFileSync(join(release, `${name}.tar.gz`), contents);
  sums.push(`${createHash('sha256').update(contents).digest('hex')}  ${name}.tar.gz\n`);
  process.stderr.write(`make: dist/release/${name}.tar.gz (${Math.round(contents.length / 2 ** 20)} MiB)\n`);
}
writeFileSync(join(release, 'SHA256SUMS'), sums.join(''));
writeFileSync(join(release, 'VERSION'), `${version()}\n`);
writeFileSync(join(release, 'install.sh'), readFileSync(join(ROOT, 'scripts/install.sh')), { mode: 0o755 });
