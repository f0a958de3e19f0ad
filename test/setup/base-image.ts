/**
 * The image that sidecar/Dockerfile builds on. Where nobody has pulled it, one of the same name is made from Debian's
 * packages, the Node that runs this and npm from its registry, so that no image registry is needed.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { debianMirror } from './debian-mirror.ts';
import { ensureEngine } from './docker-engine.ts';
import { imageLabel } from './docker-image.ts';
import { loggedRun } from './logged-run.ts';
import { locked } from './machine-lock.ts';

const ROOT = join(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.cache/docker');
const SUITE = 'bookworm';
/** What Node and its clients need beyond Debian's least system. */
const PACKAGES = 'ca-certificates,libatomic1';
const NPM = {
  version: '11.19.1',
  integrity:
    'sha512-ztsxKxt/kkIaAs+2i0GU6I+DRmUdrNasxTZKJe9TCdSjKxlhah/4r/hl5ygMD6XAg1qZ9c2TNomR4qgOydp10g==',
} as const;
/** Names the recipe in the image, so that a changed one is built anew. An image without it was pulled: it stays. */
const RECIPE_LABEL = 'boundary.test.recipe';
/** Slim images hold no manuals and no translations; dpkg keeps it so for what is installed later. */
const SLIM = `path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
`;

/** The default of NODE_IMAGE in sidecar/Dockerfile. */
export function baseImageName(): string {
  const dockerfile = readFileSync(join(ROOT, 'sidecar/Dockerfile'), 'utf8');
  const [, name] = /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile) ?? [];
  if (name === undefined) {
    throw new Error('sidecar/Dockerfile: expected a line "ARG NODE_IMAGE=node:VERSION-bookworm-slim"');
  }
  return name;
}

function recipe(): string {
  const parts = [readFileSync(import.meta.filename), process.version, process.arch];
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
}

/** npm's package as its registry serves it, checked. */
async function npmPackage(): Promise<string> {
  const file = join(CACHE, `npm-${NPM.version}.tgz`);
  if (!existsSync(file)) {
    const fetch = ['pack', `npm@${NPM.version}`, '--pack-destination', CACHE, '--loglevel=error'];
    await loggedRun(join(CACHE, 'npm-pack.log'), 'npm', fetch);
  }
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found === NPM.integrity) return file;
  rmSync(file);
  throw new Error(
    `npm@${NPM.version}: its integrity is ${found}, expected ${NPM.integrity}. Run this again.`,
  );
}

/** Makes the image's file system as a tar archive. */
async function makeArchive(archive: string): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      `making ${baseImageName()} needs root: run this as root, or docker pull ${baseImageName()}`,
    );
  }
  const mirror = debianMirror();
  process.stderr.write(`setup: making ${baseImageName()} from ${mirror.url ?? 'Debian'} (a minute)\n`);
  const scratch = mkdtempSync(join(CACHE, 'base-'));
  try {
    const root = join(scratch, 'root');
    const bootstrap = ['--variant=minbase', `--include=${PACKAGES}`, SUITE, root];
    if (mirror.url !== null) bootstrap.push(mirror.url);
    const env = { ...process.env, ...mirror.proxy };
    await loggedRun(join(CACHE, 'debootstrap.log'), 'debootstrap', bootstrap, { env });

    copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
    chmodSync(join(root, 'usr/local/bin/node'), 0o755);
    const npm = join(root, 'usr/local/lib/node_modules/npm');
    mkdirSync(npm, { recursive: true });
    execFileSync('tar', ['-xzf', await npmPackage(), '-C', npm, '--strip-components=1', '--no-same-owner']);
    for (const name of ['npm', 'npx']) {
      symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
    }
    // The user that Node's own images have.
    execFileSync('chroot', [
      root,
      'useradd',
      '--uid',
      '1000',
      '--shell',
      '/bin/bash',
      '--create-home',
      'node',
    ]);

    writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/slim'), SLIM);
    const dropped = [
      'usr/share/man',
      'usr/share/info',
      'usr/share/locale',
      'var/lib/apt/lists',
      'var/cache/apt',
    ];
    for (const path of [...dropped, 'var/cache/debconf', 'var/log/bootstrap.log', 'etc/resolv.conf']) {
      rmSync(join(root, path), { recursive: true, force: true });
    }
    for (const path of ['var/lib/apt/lists/partial', 'var/cache/apt/archives/partial', 'var/cache/debconf']) {
      mkdirSync(join(root, path), { recursive: true });
    }
    const excluded = ['dev', 'proc', 'sys'].map((name) => `--exclude=./${name}/*`);
    const pack = ['-c', ...excluded, '-I', 'gzip -1', '-f', join(scratch, 'archive'), '-C', root, '.'];
    await loggedRun(join(CACHE, 'tar.log'), 'tar', pack);
    renameSync(join(scratch, 'archive'), archive);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function importArchive(name: string, wanted: string): Promise<void> {
  const archive = join(CACHE, `base-${wanted}.tar.gz`);
  if (!existsSync(archive)) await makeArchive(archive);
  process.stderr.write(`setup: importing ${name}\n`);
  const changes = [
    'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'CMD ["node"]',
    `LABEL ${RECIPE_LABEL}=${wanted}`,
  ].flatMap((change) => ['--change', change]);
  await loggedRun(join(CACHE, 'import.log'), 'docker', ['import', ...changes, archive, name]);
}

/**
 * Makes sure that the image is there.
 *
 * @returns its name
 */
export async function ensureBaseImage(): Promise<string> {
  await ensureEngine();
  const name = baseImageName();
  const wanted = recipe();
  const there = (): boolean => ['', wanted].includes(imageLabel(name, RECIPE_LABEL) ?? 'none');
  if (!there()) {
    await locked(join(CACHE, 'base-image.lock'), async () => {
      if (!there()) await importArchive(name, wanted);
    });
  }
  return name;
}

if (import.meta.main) process.stdout.write(`${await ensureBaseImage()}\n`);
