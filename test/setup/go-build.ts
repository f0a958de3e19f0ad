import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ensureGo } from './go.ts';
import { loggedRun } from './logged-run.ts';
import { locked } from './machine-lock.ts';

/** A program that is built from Go modules. */
export interface GoProgram {
  /** Import path of its package main. */
  readonly package: string;
  /** The module that holds it, with its version. */
  readonly module: { readonly path: string; readonly version: string };
  /** Modules to take from elsewhere, as in a go.mod's `replace OLD => NEW`: `NEW` is a path and a version. */
  readonly replaced?: Readonly<Record<string, string>>;
  /** Values of string variables, as the linker's -X sets them. */
  readonly variables?: Readonly<Record<string, string>>;
}

const SCRATCH = join(import.meta.dirname, '../../.cache/go');
/** The language version of a go.mod that names modules and holds no code. */
const LANGUAGE = '1.23.3';

function goMod(program: GoProgram): string {
  const replaced = Object.entries(program.replaced ?? {}).map(([old, next]) => `replace ${old} => ${next}\n`);
  const { path, version } = program.module;
  return `module build\n\ngo ${LANGUAGE}\n\nrequire ${path} ${version}\n\n${replaced.join('')}`;
}

/**
 * Builds a program, unless it is there: Go fetches the modules and checks them against its checksum database.
 * What was built before lies in Go's own cache, so that the second time is quick even after `make clean`.
 *
 * @param output path of the program; its name should carry the version
 * @param minutes what to tell a person about how long it takes from nothing
 */
export async function goBuild(program: GoProgram, output: string, minutes: string): Promise<void> {
  if (existsSync(output)) return;
  const scratch = join(SCRATCH, basename(output));
  await locked(join(scratch, 'lock'), async () => {
    if (existsSync(output)) return;
    const go = ensureGo();
    process.stderr.write(`setup: building ${basename(output)} from ${program.module.path} (${minutes})\n`);
    writeFileSync(join(scratch, 'go.mod'), goMod(program));
    const variables = Object.entries(program.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`);
    const flags = ['-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags', ['-s -w', ...variables].join(' ')];
    const build = ['build', ...flags, '-o', join(scratch, 'program'), program.package];
    const env = { ...process.env, GOFLAGS: '', CGO_ENABLED: '0' };
    await loggedRun(join(scratch, 'log'), go, build, { cwd: scratch, env });
    mkdirSync(dirname(output), { recursive: true });
    renameSync(join(scratch, 'program'), output);
  });
}
