import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditLine } from './behind-boundary.ts';
import {
  auditLines,
  boundaryPath,
  cleanEnvironment,
  collected,
  type Ended,
  runBoundary,
} from './boundary.ts';

/** A part of the boundary that runs, and what it wrote to standard error. */
export interface RunningPart {
  readonly process: ChildProcess;
  /** Resolves when standard error holds a match; fails with all of it when the part ends first. */
  said(pattern: RegExp): Promise<void>;
  stderr(): string;
  /** Ends it with a signal and waits for its end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** A network namespace of its own behind a gate, with a sidecar outside: the Docker design without Docker. */
export interface ConfinedNamespace extends AsyncDisposable {
  readonly directory: string;
  readonly gate: RunningPart;
  sidecar: RunningPart;
  /** PEM of the boundary's CA with the system's roots. */
  readonly bundle: string;
  /** Runs a command in the namespace, as root, with the trust variables of curl and Python. */
  run(command: string, args: readonly string[], input?: string): Promise<Ended>;
  /** Starts a command in the namespace with pipes. */
  start(command: string, args: readonly string[]): ChildProcess;
  submit(policy: string, ...flags: readonly string[]): Promise<Ended>;
  /** Starts a gate or a sidecar like the first one. */
  startGate(): Promise<RunningPart>;
  startSidecar(): Promise<RunningPart>;
  /** The audit line that says all of `wanted`, once it is written: lines gather for a moment. */
  recorded(wanted: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>;
  metrics(): Promise<string>;
}

export interface ConfinedSetup {
  /** The text of the policy; none is submitted without it. */
  readonly policy?: string;
  /** PEM of a CA that upstreams are verified against as well. */
  readonly upstreamCa?: string;
  readonly args?: readonly string[];
}

/** Lines gather for 20 ms; a machine under load takes longer. */
const RECORDED_MS = 10_000;
const HOLD =
  'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/hosts && echo ready && exec sleep infinity';

/** Makes the namespace, gate and sidecar, and submits the policy. Needs root. Throws with their output otherwise. */
export async function confinedNamespace(setup: ConfinedSetup): Promise<ConfinedNamespace> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-namespace-'));
  const path = (name: string) => join(directory, name);
  for (const name of ['gate', 'state', 'trust']) mkdirSync(path(name));
  writeFileSync(path('resolv.conf'), 'nameserver 198.18.0.53\noptions ndots:1\n');
  writeFileSync(path('hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  // The namespace lives as long as this process, whatever becomes of the gate: the netns container.
  const holder = spawn('unshare', ['-n', '-m', 'sh', '-c', HOLD, path('resolv.conf'), path('hosts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  const inside = (args: readonly string[]) => ['-t', String(holder.pid), '-n', '-m', '--', ...args];
  const env = {
    ...cleanEnvironment(),
    BOUNDARY_GATE: path('gate'),
    BOUNDARY_SUBMISSIONS: path('submit.sock'),
  };
  const parts = new Set<RunningPart>();
  const part = async (command: string, args: readonly string[], ready: RegExp): Promise<RunningPart> => {
    const started = runningPart(spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] }));
    parts.add(started);
    await started.said(ready);
    return started;
  };
  const startGate = () =>
    part('nsenter', inside([boundaryPath, 'gate', '--dir', path('gate')]), /the namespace is closed/);
  const args = ['sidecar', '--gate', path('gate'), '--submissions', path('submit.sock')];
  args.push('--state-dir', path('state'), '--trust-dir', path('trust'), '--audit-file', path('audit.jsonl'));
  args.push('--listen', '127.0.0.1:0', '--control', '127.0.0.1:0', '--metrics', '127.0.0.1:0');
  if (setup.upstreamCa !== undefined) {
    writeFileSync(path('upstream.pem'), setup.upstreamCa);
    args.push('--upstream-ca', path('upstream.pem'));
  }
  const startSidecar = () => part(boundaryPath, [...args, ...(setup.args ?? [])], /boundary: ready; /);
  const trust = { CURL_CA_BUNDLE: path('trust/bundle.pem'), SSL_CERT_FILE: path('trust/bundle.pem') };
  const start = (command: string, commandArgs: readonly string[]) =>
    spawn('nsenter', inside([command, ...commandArgs]), {
      env: { PATH: process.env.PATH, HOME: directory, LANG: 'C.UTF-8', ...trust },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  const submit = async (policy: string, ...flags: readonly string[]) => {
    writeFileSync(path('policy.yaml'), policy);
    return runBoundary(['submit', path('policy.yaml'), ...flags], { env });
  };
  const gate = await startGate();
  const namespace: ConfinedNamespace = {
    directory,
    gate,
    sidecar: await startSidecar(),
    bundle: path('trust/bundle.pem'),
    run: (command, commandArgs, input) => collected(start(command, commandArgs), input).ended,
    start,
    submit,
    startGate,
    startSidecar,
    async recorded(wanted) {
      const until = performance.now() + RECORDED_MS;
      for (;;) {
        const audit = auditLines(path('audit.jsonl'));
        const found = audit.some((line) =>
          Object.entries(wanted).every(([key, value]) => line[key] === value),
        );
        if (found || performance.now() > until) return auditLine({ audit }, wanted);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async metrics() {
      const address = /metrics on ([^,\s]+)/.exec(namespace.sidecar.stderr())?.[1];
      return (await fetch(`http://${address}/metrics`)).text();
    },
    async [Symbol.asyncDispose]() {
      for (const one of parts) await one.stop('SIGKILL');
      holder.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
  if (setup.policy !== undefined) {
    const { code, stderr } = await submit(setup.policy);
    if (code !== 0) {
      const said = `submit ended with ${code}: ${stderr}\n${namespace.sidecar.stderr()}`;
      await namespace[Symbol.asyncDispose]();
      throw new Error(said);
    }
  }
  return namespace;
}

function runningPart(child: ChildProcess): RunningPart {
  let written = '';
  const { stderr } = child;
  if (stderr === null) throw new Error('a part needs a pipe for its standard error');
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    written += chunk;
  });
  const ended = once(child, 'close');
  return {
    process: child,
    stderr: () => written,
    async said(pattern) {
      while (!pattern.test(written)) {
        const stop = new AbortController();
        const more = once(stderr, 'data', { signal: stop.signal }).then(() => false);
        const over = await Promise.race([more, ended.then(() => true)]);
        stop.abort();
        more.catch(() => {});
        if (over && !pattern.test(written))
          throw new Error(`it ended before it said ${pattern}:\n${written}`);
      }
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
}
