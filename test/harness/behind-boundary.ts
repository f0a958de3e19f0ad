import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { auditLines, type Ended, runBoundary } from './boundary.ts';
import { localName } from './local-name.ts';
import { createTestCa } from './test-ca.ts';
import { type Handler, startUpstream, type Upstream } from './upstream.ts';

/** The CA of every https upstream of this process. */
export const ca = createTestCa();

/** An upstream that clients reach by a name of this machine. */
export interface Site extends Upstream, AsyncDisposable {
  readonly name: string;
  /** `NAME:PORT` */
  readonly authority: string;
  /** `https://NAME:PORT`, or `http://` */
  readonly origin: string;
  /** The start of an allow rule about it, for YAML: its name, its port, and the loopback or private address behind it. */
  readonly rule: string;
}

/** Starts an https upstream (plain http with `tls: false`) under a name of this machine. */
export async function startSite(
  options: { readonly handler?: Handler; readonly http2?: boolean; readonly tls?: boolean } = {},
): Promise<Site> {
  const { name, address } = await localName();
  const { tls = true, ...rest } = options;
  const upstream = await startUpstream({
    ...rest,
    host: '0.0.0.0',
    ...(tls ? { tls: { ca, hosts: [name] } } : {}),
  });
  return Object.assign(upstream, addressed(name, address, upstream.port, tls ? 'https' : 'http'), {
    [Symbol.asyncDispose]: () => upstream.close(),
  });
}

/** What clients and rules call a server of this machine. */
export function addressed(name: string, address: string, port: number, scheme: string) {
  const authority = `${name}:${port}`;
  return {
    name,
    authority,
    origin: `${scheme}://${authority}`,
    rule: `domain: "${name}"\n    port: ${port}\n    cidr: ${address}/32`,
  };
}

/** A policy of allow rules, each as the YAML of its keys. */
export function allowing(...rules: readonly string[]): string {
  return rules.length === 0 ? '' : `allow:\n${rules.map((rule) => `  - ${rule}\n`).join('')}`;
}

export interface BehindSetup {
  /** The text of the policy. */
  readonly policy: string;
  /** More flags of `boundary run`. */
  readonly flags?: readonly string[];
  /** Where the command runs and what its home is; a new directory that goes afterwards unless told. */
  readonly home?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

/** How a command behind boundary ended, and what was recorded of it. */
export interface Behind extends Ended {
  readonly audit: readonly Record<string, unknown>[];
}

/**
 * Runs a command by `bin/boundary run`, in a home of its own and with none of the caller's environment but PATH and
 * where toolchains lie, so that no configuration of this machine has a say. Upstreams of {@link ca} are trusted.
 */
export async function behindBoundary(
  setup: BehindSetup,
  ...command: readonly [string, ...string[]]
): Promise<Behind> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-client-'));
  try {
    const path = (name: string) => join(directory, name);
    writeFileSync(path('policy.yaml'), setup.policy);
    writeFileSync(path('upstream.pem'), ca.caPem);
    const home = setup.home ?? path('home');
    mkdirSync(home, { recursive: true });
    const flags = ['--config', path('policy.yaml'), '--upstream-ca', path('upstream.pem')];
    const ended = await runBoundary(
      ['run', ...flags, '--log-dir', path('log'), ...(setup.flags ?? []), '--', ...command],
      {
        env: { ...bareEnvironment(home), ...setup.env },
        cwd: home,
        ...(setup.input === undefined ? {} : { input: setup.input }),
      },
    );
    const audit = listed(path('log')).flatMap((name) => auditLines(join(path('log'), name)));
    return { ...ended, audit };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** PATH, a home, and where rustup keeps its toolchains; all else that the caller has is taken away. */
export function bareEnvironment(home: string): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined])),
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: home,
    RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), '.rustup'),
  };
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // Nothing was started, so nothing was recorded.
  }
}

/** The first audit line that says all of `wanted`. Throws with all the lines where there is none. */
export function auditLine(
  { audit }: { readonly audit: readonly Record<string, unknown>[] },
  wanted: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const line = audit.find((one) =>
    Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(one[key], value)),
  );
  if (line !== undefined) return line;
  const all = audit.map((one) => JSON.stringify(one)).join('\n');
  throw new Error(`no audit line says ${JSON.stringify(wanted)}; there are ${audit.length}:\n${all}`);
}

/** What a command printed, for the message of a failed assertion. */
export function told(ended: Behind | Ended): string {
  const { code, signal, stdout, stderr } = ended;
  const audit = 'audit' in ended ? ended.audit.map((line) => JSON.stringify(line)).join('\n') : '';
  return `code ${code}, signal ${signal}\n--- stdout\n${stdout.slice(0, 4000)}\n--- stderr\n${stderr.slice(0, 4000)}\n--- audit\n${audit}`;
}

/** Says which client was run: the first line that it prints about itself. */
export function nameClient(context: TestContext, command: string, ...args: readonly string[]): void {
  const printed = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  context.diagnostic(`client: ${command.split('/').at(-1)}: ${printed.split('\n', 1)[0]}`);
}
