import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { installPackages } from './packages.ts';

/** What the programs that are built here ask for at least. */
const LEAST = [1, 26] as const;
/** What is fetched where the machine's own is older. */
const VERSION = '1.26.8';

/** Whether this `go` is new enough. */
function suits(go: string): boolean {
  // Asked where no go.mod could send it to another version.
  const result = spawnSync(go, ['env', 'GOVERSION'], { cwd: '/', encoding: 'utf8' });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(result.status === 0 ? result.stdout : '') ?? [];
  const [leastMajor, leastMinor] = LEAST;
  return Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor);
}

function makeExecutable(directory: string): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
}

/** Fetches a newer Go with an older one, as a module: the form in which newer ones fetch each other. */
function fetchGo(older: string): string {
  const platform = `linux-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const module = `golang.org/toolchain@v0.0.1-go${VERSION}.${platform}`;
  process.stderr.write(`setup: fetching Go ${VERSION}\n`);
  const result = spawnSync(older, ['mod', 'download', '-json', module], { cwd: '/', encoding: 'utf8' });
  const { Dir: directory } = JSON.parse(result.stdout || '{}') as { Dir?: string };
  if (directory === undefined)
    throw new Error(`${module} could not be fetched: ${result.stderr}${result.stdout}`);
  // A module's files are never executable.
  for (const path of ['bin', 'pkg/tool']) {
    if (existsSync(join(directory, path))) makeExecutable(join(directory, path));
  }
  return join(directory, 'bin/go');
}

/**
 * A Go that builds what the tests need: the one in PATH, else one that is fetched, with Debian's own to begin with.
 *
 * @returns its path
 * @throws when there is none and none can be installed
 */
export function ensureGo(): string {
  if (suits('go')) return 'go';
  const present = (): boolean => spawnSync('go', ['version']).status === 0;
  const [fault] = installPackages([
    { name: 'golang-go', why: 'builds Terraform and its providers', present },
  ]);
  if (fault !== undefined) throw new Error(fault);
  return suits('go') ? 'go' : fetchGo('go');
}
