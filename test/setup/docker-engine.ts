/** A Docker engine for the tests: the one that answers, or one that is started here. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { locked } from './machine-lock.ts';

const CACHE = join(import.meta.dirname, '../../.cache/docker');
const LOG = join(CACHE, 'dockerd.log');
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

/** The version of the engine that the docker client reaches (DOCKER_HOST, its context, or the usual socket). */
function engineVersion(): string | null {
  const result = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : null;
}

/** Where the engine and the containerd that it starts note who they are. */
const NOTES = {
  dockerd: '/var/run/docker.pid',
  containerd: '/var/run/docker/containerd/containerd.pid',
};

/** Removes what an engine left behind that was killed: it would take whatever has its old number by now for itself. */
function removeStaleNotes(): void {
  for (const [name, file] of Object.entries(NOTES)) {
    if (!existsSync(file)) continue;
    const running = `/proc/${readFileSync(file, 'utf8').trim()}/comm`;
    if (!existsSync(running) || readFileSync(running, 'utf8').trim() !== name) rmSync(file, { force: true });
  }
}

/** Starts dockerd with nothing but its defaults, apart from this process and its terminal. */
async function startEngine(): Promise<string> {
  if (process.getuid?.() !== 0) {
    throw new Error(
      'no Docker engine answers, and starting one needs root. Start Docker, or run this as root.',
    );
  }
  mkdirSync(CACHE, { recursive: true });
  process.stderr.write(`setup: starting dockerd (log: ${LOG})\n`);
  removeStaleNotes();
  const log = openSync(LOG, 'a');
  const engine = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  let over: string | undefined;
  engine.once('error', (error) => (over = error.message));
  engine.once('exit', (code, signal) => (over = `it ended with ${code ?? signal}`));
  engine.unref();
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const version = engineVersion();
    if (version !== null) return version;
    if (over === undefined && Date.now() > deadline)
      over = `it did not answer in ${START_TIMEOUT_MS / 1000} s`;
    if (over !== undefined) {
      const tail = existsSync(LOG)
        ? readFileSync(LOG, 'utf8').trimEnd().split('\n').slice(-10).join('\n')
        : '';
      throw new Error(
        `dockerd could not be started: ${over}. Is docker.io installed? The end of ${LOG}:\n${tail}`,
      );
    }
    await delay(POLL_MS);
  }
}

/**
 * Makes sure that a Docker engine answers, and leaves it running.
 *
 * @returns the engine's version
 * @throws when none answers and none can be started; the message has the end of dockerd's log
 */
export async function ensureEngine(): Promise<string> {
  return engineVersion() ?? locked(join(CACHE, 'engine.lock'), async () => engineVersion() ?? startEngine());
}

if (import.meta.main) process.stdout.write(`${await ensureEngine()}\n`);
