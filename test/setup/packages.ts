/**
 * The Debian packages whose programs the tests and the benchmark run as real clients, upstreams and peers. Only what is
 * missing is installed, and each is said. Run by itself or by test/run.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Need {
  readonly name: string;
  readonly why: string;
  readonly present: () => boolean;
}

/** Whether a program of this name is in PATH or where Debian keeps its daemons. */
function hasProgram(name: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.some((directory) => directory !== '' && existsSync(join(directory, name)));
}

function program(name: string, why: string, file = name): Need {
  return { name, why, present: () => hasProgram(file) };
}

const NEEDS: readonly Need[] = [
  program('curl', 'a client'),
  program('wget', 'a client'),
  program('git', 'a client and, with git http-backend, an upstream'),
  program('openssh-client', 'a client', 'ssh'),
  program('openssh-server', 'an upstream', 'sshd'),
  program('netcat-openbsd', 'the ProxyCommand of ssh', 'nc'),
  program('openssl', 'checks the certificates'),
  program('python3', 'a client, and terminals for tests'),
  {
    name: 'python3-requests',
    why: 'a client',
    present: () => spawnSync('python3', ['-c', 'import requests']).status === 0,
  },
  { name: 'python3-pip', why: 'a client', present: () => hasProgram('pip3') || hasProgram('pip') },
  program('squid-openssl', 'a peer in the benchmark, a corporate proxy in tests', 'squid'),
  program('tinyproxy', 'a peer in the benchmark'),
  program('nginx-light', 'the upstream of the benchmark', 'nginx'),
  program('prometheus', 'scrapes sidecars and runs the queries of dashboards, rules and alerts'),
];

/** Debian starts a daemon that it installs; the tests start their own, on free ports. */
const NO_SERVICES = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };

/**
 * Installs what is missing.
 *
 * @returns what could not be installed, as sentences that say what to do; empty when everything is there
 */
export function installPackages(): string[] {
  const missing = NEEDS.filter((need) => !need.present());
  if (missing.length === 0) return [];
  const names = missing.map((need) => need.name);
  const byHand = `install by hand: apt-get install ${names.join(' ')}`;
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) return [`${names.join(', ')} missing; ${byHand}`];

  for (const need of missing) process.stderr.write(`setup: installing ${need.name} (${need.why})\n`);
  const options = { env: NO_SERVICES, stdio: ['ignore', 'ignore', 'inherit'] as const, timeout: 600_000 };
  spawnSync('apt-get', ['-qq', 'update'], { ...options, stdio: [...options.stdio] });
  const install = ['-qq', '-y', '--no-install-recommends', 'install', ...names];
  spawnSync('apt-get', install, { ...options, stdio: [...options.stdio] });
  return missing
    .filter((need) => !need.present())
    .map((need) => `${need.name} could not be installed; ${byHand}`);
}

if (import.meta.main) {
  const faults = installPackages();
  for (const fault of faults) process.stderr.write(`setup: ${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
