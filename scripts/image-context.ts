import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ENTRY, ROOT, version } from './bundle.ts';
import { koffiFiles } from './koffi-files.ts';

/** The file that says how the image is made of its context. */
export const DOCKERFILE = join(ROOT, 'sidecar/Dockerfile');

/** What the image is built from. */
export interface ImageContext {
  /** Contents by path relative to the context's directory. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Of all contents and the Dockerfile: the same digest, the same image on the same base. */
  readonly digest: string;
}

function builtProgram(): Map<string, Uint8Array> {
  const dist = join(ROOT, 'dist/boundary');
  if (!existsSync(join(dist, ENTRY))) {
    throw new Error(`${join(dist, ENTRY)} is missing: run make build, then this again.`);
  }
  const files = new Map<string, Uint8Array>();
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) files.set(relative(dist, path), readFileSync(path));
  }
  return files;
}

/**
 * What `make build` built, and koffi's native code for both processors, so that one context serves an image for each.
 *
 * @throws when nothing was built yet
 */
export function imageContext(): ImageContext {
  const unsorted = [...builtProgram(), ...koffiFiles(['x64', 'arm64'])];
  const files = new Map(unsorted.sort(([left], [right]) => (left < right ? -1 : 1)));
  files.set('LICENSE', readFileSync(join(ROOT, 'LICENSE')));
  const hash = createHash('sha256').update(readFileSync(DOCKERFILE));
  for (const [path, contents] of files) hash.update(`${path}\0${contents.byteLength}\0`).update(contents);
  return { files, digest: hash.digest('hex').slice(0, 16) };
}

/**
 * Makes dist/image/ of a context.
 *
 * @returns the directory's path
 */
export function writeImageContext(context: ImageContext): string {
  const directory = join(ROOT, 'dist/image');
  rmSync(directory, { recursive: true, force: true });
  for (const [path, contents] of context.files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), contents);
  }
  return directory;
}

/** The commit that is checked out. */
function revision(): string {
  const result = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : 'unknown';
}

/**
 * The arguments with which docker builds the image.
 *
 * @param directory where the context was written
 * @param settings.tag the image's name
 * @param settings.base what it is built on
 * @param settings.labels further labels
 * @param settings.values further build arguments, such as a proxy
 */
export function buildArguments(
  directory: string,
  settings: {
    readonly tag: string;
    readonly base: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly values?: Readonly<Record<string, string>>;
  },
): string[] {
  const values = { NODE_IMAGE: settings.base, VERSION: version(), REVISION: revision(), ...settings.values };
  const pairs = (flag: string, record: Readonly<Record<string, string>>): string[] =>
    Object.entries(record).flatMap(([name, value]) => [flag, `${name}=${value}`]);
  return [
    'build',
    ...pairs('--build-arg', values),
    ...pairs('--label', settings.labels ?? {}),
    ...['--tag', settings.tag, '--file', DOCKERFILE, directory],
  ];
}
