import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from './bundle.ts';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
}

const cache = join(ROOT, '.cache/packages');

/**
 * A package as the npm registry serves it, checked against the integrity that package-lock.json pins: also one for
 * another processor, which npm would not install here.
 *
 * @param name for example @koromix/koffi-linux-arm64
 * @returns path of the .tgz
 * @throws when package-lock.json does not pin it, or what came has another integrity
 */
export function pinnedTarball(name: string): string {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const pinned = lock.packages[`node_modules/${name}`];
  if (!pinned) throw new Error(`package-lock.json does not pin ${name}; add it to optionalDependencies`);
  // As npm pack names it: @scope/name becomes scope-name.
  const file = join(cache, `${name.replace(/^@/, '').replace('/', '-')}-${pinned.version}.tgz`);
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
      `${basename(file)}: its ${algorithm} is ${found}, package-lock.json pins ${expected}. Remove ${file} and run this again.`,
    );
  }
  return file;
}

/** One file of a .tgz, as it lies there. */
export function fileOf(tarball: string, path: string): Uint8Array {
  return execFileSync('tar', ['-xzOf', tarball, path], { maxBuffer: 512 * 2 ** 20 });
}
