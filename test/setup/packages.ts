/**
 * The Debian packages whose programs the tests and the benchmark run as real clients, upstreams and peers. Only what is
 * missing is installed, and each is said. Run by itself or by test/run.ts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A package, and how to see that what it brings is there. */
export interface Need {
  readonly name: string;
  readonly why: string;
  readonly present: () => boolean;
  /** A further package, where this Debian has it. */
  readonly also?: string;
}

/** Whether a program of this name is in PATH or where Debian keeps its daemons. */
function hasProgram(name: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.some((directory) => directory !== '' && existsSync(join(directory, name)));
}

function program(name: string, why: string, file = name): Need {
  return { name, why, present: () => hasProgram(file) };
}

/** What it takes to build the image: an engine, and the means to make the image that it builds on. */
export const ENGINE_NEEDS: readonly Need[] = [
  {
    name: 'docker.io',
    why: 'runs the image, and workspaces behind it',
    present: () =>
      hasProgram('docker') && (hasProgram('dockerd') || spawnSync('docker', ['version']).status === 0),
    also: 'docker-cli', // Part of docker.io up to Debian 12.
  },
  program('debootstrap', 'makes the images that the tests build on'),
];

const NEEDS: readonly Need[] = [
  program('curl', 'a client'),
  program('wget', 'a client'),
  program('git', 'a client and, with git http-backend, an upstream'),
  program('openssh-client', 'a client', 'ssh'),
  program('openssh-server', 'an upstream', 'sshd'),
  program('netcat-openbsd', 'the ProxyCommand of ssh', 'nc'),
  program('openssl', 'checks the certificates'),
  program('bind9-dnsutils', 'a client', 'dig'),
  program('chromium', 'the browser that the view is tested in'),
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
  ...ENGINE_NEEDS,
  program('docker-registry', 'a registry that images are pulled from'),
  program('docker-compose', 'starts examples/compose'),
  program('iproute2', 'network namespaces', 'ip'),
  program('nftables', 'rules in network namespaces', 'nft'),
  program(
    'prometheus',
    'scrapes sidecars and runs the queries of dashboards, rules and alerts; brings promtool',
  ),
];

/** Debian starts a daemon that it installs; the tests start their own, on free ports. */
const NO_SERVICES = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };

/**
 * Installs Debian packages, without starting what they bring.
 *
 * @param names those to install
 * @param optional those to install where this Debian has them
 */
function install(names: readonly string[], optional: readonly string[]): void {
  const options = { env: NO_SERVICES, timeout: 900_000 };
  spawnSync('apt-get', ['-qq', 'update'], { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
  const known = optional.filter((name) => spawnSync('apt-cache', ['show', name]).stdout.length > 0);
  // Another test's set-up may be installing something.
  const patience = ['-o', 'DPkg::Lock::Timeout=600'];
  const args = [...patience, '-qq', '-y', '--no-install-recommends', 'install', ...names, ...known];
  spawnSync('apt-get', args, { ...options, stdio: ['ignore', 'ignore', 'inherit'] });
}

/**
 * Installs what is missing.
 *
 * @param needs what is needed; by default all that the tests and the benchmark use
 * @returns what could not be installed, as sentences that say what to do; empty when everything is there
 */
export function installPackages(needs: readonly Need[] = NEEDS): string[] {
  const missing = needs.filter((need) => !need.present());
  if (missing.length === 0) return [];
  const names = missing.map((need) => need.name);
  const byHand = `install by hand: apt-get install ${names.join(' ')}`;
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) return [`${names.join(', ')} missing; ${byHand}`];

  for (const need of missing) process.stderr.write(`setup: installing ${need.name} (${need.why})\n`);
  install(
    names,
    missing.flatMap((need) => need.also ?? []),
  );
  return missing
    .filter((need) => !need.present())
    .map((need) => `${need.name} could not be installed; ${byHand}`);
}

if (import.meta.main) {
  const faults = installPackages();
  for (const fault of faults) process.stderr.write(`setup: ${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
