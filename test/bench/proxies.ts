import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../harness/free-port.ts';
import { createTestCa } from '../harness/test-ca.ts';

/** One server of the bench: its process and the ports that it answers on, by name. */
export interface Running {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
  /** Extra certificates that its clients must trust. */
  readonly ca: readonly string[];
  stop(): Promise<void>;
}

function fill(template: string, values: Readonly<Record<string, string | number>>): string {
  const text = readFileSync(join(import.meta.dirname, 'config', template), 'utf8');
  return text.replace(/@([A-Z_]+)@/g, (_, key: string) => {
    const value = values[key];
    if (value === undefined) throw new Error(`${template}: no value for @${key}@`);
    return String(value);
  });
}

async function listening(port: number, child: ChildProcess, name: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with exit code ${child.exitCode}`);
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (up) return;
    if (Date.now() > deadline) throw new Error(`${name} does not listen on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function stopper(child: ChildProcess): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 12_000).unref();
    });
}

function start(name: string, command: string, args: readonly string[], dir: string): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir });
  child.stderr?.on('data', (chunk: Buffer) => {
    if (process.env.BENCH_VERBOSE) process.stderr.write(`[${name}] ${chunk}`);
  });
  return child;
}

/** nginx with the files `/1k`, `/10m` and `/1g`, plain, over TLS twice (to be opened, to be passed) and plain again (raw). */
export async function startUpstream(dir: string): Promise<Running> {
  const ca = await createTestCa();
  const leaf = await ca.issue(['localhost']);
  mkdirSync(join(dir, 'www'), { recursive: true });
  chmodSync(dir, 0o755);
  writeFileSync(join(dir, 'www/1k'), Buffer.alloc(1024, 'x'));
  for (const [file, size] of [
    ['10m', 10 << 20],
    ['1g', 1 << 30],
  ] as const) {
    writeFileSync(join(dir, 'www', file), '');
    truncateSync(join(dir, 'www', file), size);
  }
  writeFileSync(join(dir, 'upstream.pem'), leaf.cert);
  writeFileSync(join(dir, 'upstream.key'), leaf.key);
  writeFileSync(join(dir, 'upstream-ca.pem'), ca.caPem);
  const ports = {
    http: await freePort(),
    opened: await freePort(),
    passed: await freePort(),
    raw: await freePort(),
  };
  const conf = join(dir, 'nginx.conf');
  writeFileSync(
    conf,
    fill('nginx.conf', {
      DIR: dir,
      HTTP_PORT: ports.http,
      OPENED_PORT: ports.opened,
      PASSED_PORT: ports.passed,
      RAW_PORT: ports.raw,
    }),
  );
  const child = start('nginx', 'nginx', ['-p', dir, '-c', conf], dir);
  await listening(ports.raw, child, 'nginx');
  return { name: 'nginx', version: '', pid: child.pid ?? 0, ports, ca: [ca.caPem], stop: stopper(child) };
}

/** squid with ssl-bump: ports `plain` (also CONNECT without looking), `opened` (bump), `passed` (splice). */
export async function startSquid(dir: string, upstreamCa: string): Promise<Running> {
  mkdirSync(dir, { recursive: true });
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=bench bump CA'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
      ...['-keyout', join(dir, 'bump.key'), '-out', join(dir, 'bump.crt')],
    ],
    { stdio: 'ignore' },
  );
  const bumpCa = readFileSync(join(dir, 'bump.crt'), 'utf8');
  writeFileSync(join(dir, 'bump.pem'), bumpCa + readFileSync(join(dir, 'bump.key'), 'utf8'));
  writeFileSync(join(dir, 'ca.pem'), upstreamCa);
  if (!existsSync(join(dir, 'certs'))) {
    execFileSync('/usr/lib/squid/security_file_certgen', ['-c', '-s', join(dir, 'certs'), '-M', '16MB'], {
      stdio: 'ignore',
    });
  }
  execFileSync('chown', ['-R', 'proxy:proxy', dir]);
  const ports = { plain: await freePort(), opened: await freePort(), passed: await freePort() };
  const conf = join(dir, 'squid.conf');
  writeFileSync(
    conf,
    fill('squid.conf', {
      DIR: dir,
      CA: join(dir, 'ca.pem'),
      PLAIN_PORT: ports.plain,
      BUMP_PORT: ports.opened,
      SPLICE_PORT: ports.passed,
    }),
  );
  const child = start('squid', 'squid', ['-N', '-d', '1', '-f', conf], dir);
  await listening(ports.passed, child, 'squid');
  const version = /Version (\S+)/.exec(execFileSync('squid', ['-v'], { encoding: 'utf8' }))?.[1] ?? '';
  return {
    name: 'squid',
    version: `squid ${version}`,
    pid: child.pid ?? 0,
    ports,
    ca: [bumpCa],
    stop: stopper(child),
  };
}

/** tinyproxy: one port for plain requests and CONNECT; it opens no TLS. */
export async function startTinyproxy(dir: string): Promise<Running> {
  mkdirSync(dir, { recursive: true });
  const nobody = 65534;
  chownSync(dir, nobody, nobody);
  const port = await freePort();
  const conf = join(dir, 'tinyproxy.conf');
  writeFileSync(conf, fill('tinyproxy.conf', { DIR: dir, PORT: port }));
  const child = start('tinyproxy', 'tinyproxy', ['-d', '-c', conf], dir);
  await listening(port, child, 'tinyproxy');
  const version = /(\d+\.\d+\.\d+)/.exec(execFileSync('tinyproxy', ['-v'], { encoding: 'utf8' }))?.[1] ?? '';
  return {
    name: 'tinyproxy',
    version: `tinyproxy ${version}`,
    pid: child.pid ?? 0,
    ports: { plain: port, passed: port },
    ca: [],
    stop: stopper(child),
  };
}

/** boundary as the sidecar runs it, audit file and metrics on. */
export async function startBoundary(dir: string, upstream: Running, upstreamCa: string): Promise<Running> {
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const control = await freePort();
  writeFileSync(join(dir, 'upstream-ca.pem'), upstreamCa);
  writeFileSync(
    join(dir, 'boundary.yaml'),
    fill('boundary.yaml', {
      HTTP_PORT: upstream.ports.http ?? 0,
      OPENED_PORT: upstream.ports.opened ?? 0,
      PASSED_PORT: upstream.ports.passed ?? 0,
      RAW_PORT: upstream.ports.raw ?? 0,
    }),
  );
  const command = join(import.meta.dirname, '../../bin/boundary');
  const child = start(
    'boundary',
    command,
    [
      ...['sidecar', '--config', join(dir, 'boundary.yaml'), '--listen', `127.0.0.1:${port}`],
      ...[
        '--control',
        `127.0.0.1:${control}`,
        '--audit-file',
        join(dir, 'audit.jsonl'),
        '--ca-dir',
        join(dir, 'ca'),
      ],
      ...['--upstream-ca', join(dir, 'upstream-ca.pem')],
    ],
    dir,
  );
  await listening(control, child, 'boundary');
  await listening(port, child, 'boundary');
  const version = execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
  const ports = { plain: port, opened: port, passed: port };
  return {
    name: 'boundary',
    version,
    pid: child.pid ?? 0,
    ports,
    ca: [readFileSync(join(dir, 'ca/ca.pem'), 'utf8')],
    stop: stopper(child),
  };
}
