import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** The command as `make build` leaves it. */
export const boundaryPath = join(import.meta.dirname, '../../bin/boundary');

/** How a process ended, and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningBoundary {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  /** Beside PATH and a home of its own; BOUNDARY_* of the caller is never handed on. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** All of standard input; null leaves it open, for the test to write to. */
  readonly input?: string | null;
}

/** Starts bin/boundary with pipes for its streams. */
export function startBoundary(args: readonly string[], options: StartOptions = {}): RunningBoundary {
  return collected(
    spawn(boundaryPath, args, {
      env: { ...cleanEnvironment(), ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
    } satisfies SpawnOptions),
    options.input,
  );
}

/** Runs bin/boundary to its end. */
export function runBoundary(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startBoundary(args, options).ended;
}

/** The caller's environment without what would change boundary's behaviour. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(BOUNDARY_|CODER_|PROXY_PORT$|NODE_|DISABLE_AUDIT_LOGS$)|_proxy$/i.test(name),
    ),
  );
}

/** Gathers what a process writes, and tells how it ended. */
export function collected(process: ChildProcess, input: string | null | undefined): RunningBoundary {
  process.stdin?.on('error', () => {}); // It may end before it read all.
  if (input !== null) process.stdin?.end(input ?? '');
  const stdout = process.stdout === null ? '' : text(process.stdout);
  const stderr = process.stderr === null ? '' : text(process.stderr);
  const ended = (async (): Promise<Ended> => {
    const [code, signal] = await once(process, 'close');
    return { code, signal, stdout: await stdout, stderr: await stderr };
  })();
  return { process, ended };
}

export interface SidecarSetup {
  /** The text of the policy. */
  readonly policy: string;
  /** PEM of a CA that upstreams are verified against as well. */
  readonly upstreamCa?: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** A sidecar that is ready, in a directory of its own. */
export interface Sidecar extends AsyncDisposable {
  readonly directory: string;
  readonly policyPath: string;
  readonly bundlePath: string;
  readonly proxyUrl: string;
  readonly proxyPort: number;
  readonly controlUrl: string;
  readonly token: string;
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it wrote to standard error so far. */
  stderr(): string;
  /** Resolves when standard error holds a match; fails with all of it when the sidecar ends first. */
  said(pattern: RegExp): Promise<void>;
  /** The lines of the audit log so far. */
  audit(): readonly Record<string, unknown>[];
  /** SIGTERM, and its end. */
  stop(): Promise<Ended>;
}

/** Starts `boundary sidecar` on free ports and waits until `/readyz` answers 200. Throws with its output otherwise. */
export async function startSidecar(setup: SidecarSetup): Promise<Sidecar> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
  const path = (name: string) => join(directory, name);
  writeFileSync(path('boundary.yaml'), setup.policy);
  const args = ['sidecar', '--config', path('boundary.yaml'), '--listen', '127.0.0.1:0'];
  args.push('--control', '127.0.0.1:0', '--audit-file', path('audit.jsonl'), '--ca-dir', path('ca'));
  if (setup.upstreamCa !== undefined) {
    writeFileSync(path('upstream.pem'), setup.upstreamCa);
    args.push('--upstream-ca', path('upstream.pem'));
  }
  const child = spawn(boundaryPath, [...args, ...(setup.args ?? [])], {
    env: { ...cleanEnvironment(), ...setup.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    written += chunk;
  });
  const ended = once(child, 'close').then(
    ([code, signal]): Ended => ({ code, signal, stdout: '', stderr: written }),
  );
  const said = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(written)) {
      const stop = new AbortController();
      const more = once(child.stderr, 'data', { signal: stop.signal }).then(() => false);
      const over = await Promise.race([more, ended.then(() => true)]);
      stop.abort();
      more.catch(() => {});
      if (over && !pattern.test(written)) {
        throw new Error(`the sidecar ended before it said ${pattern}:\n${written}`);
      }
    }
  };
  await said(/boundary: ready; .*\n/);
  const addresses = /ready; proxy on (\S+:(\d+)), control on ([^\s,]+)/.exec(written);
  const controlUrl = `http://${addresses?.[3]}`;
  const ready = await fetch(`${controlUrl}/readyz`);
  if (ready.status !== 200) throw new Error(`/readyz answers ${ready.status}: ${await ready.text()}`);
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  return {
    directory,
    policyPath: path('boundary.yaml'),
    bundlePath: path('ca/bundle.pem'),
    proxyUrl: `http://${addresses?.[1]}`,
    proxyPort: Number(addresses?.[2]),
    controlUrl,
    get token() {
      return readFileSync(path('ca/control-token'), 'utf8').trim();
    },
    process: child,
    ended,
    stderr: () => written,
    said,
    audit: () => auditLines(path('audit.jsonl')),
    stop,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The lines of an audit file; none where it is not there. */
export function auditLines(path: string): readonly Record<string, unknown>[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return content
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
