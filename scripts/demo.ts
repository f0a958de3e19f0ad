/**
 * Shows the main job on this machine, without a network: an https upstream, a policy, one allowed and one denied request
 * by the curl that is installed here, their audit lines and metrics. `make demo` runs it; needs a build and curl.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDemoSidecar } from './demo/sidecar.ts';
import { startDemoUpstream } from './demo/upstream.ts';

const ROOT = join(import.meta.dirname, '..');
const colour = process.stdout.isTTY === true;

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function step(text: string): void {
  say(`\n${colour ? `\x1b[1m${text}\x1b[0m` : `== ${text}`}`);
}

function shown(text: string): void {
  for (const line of text.trimEnd().split('\n')) say(`   ${line}`);
}

/** The keys of an audit line that tell the story; the file has more. */
function briefly(line: string): string {
  const record = JSON.parse(line) as Record<string, unknown>;
  const keys = ['event', 'method', 'url', 'verdict', 'rule', 'reason', 'status', 'bytes_out', 'duration_ms'];
  return JSON.stringify(
    Object.fromEntries(keys.filter((key) => key in record).map((key) => [key, record[key]])),
  );
}

if (spawnSync('curl', ['--version']).status !== 0) {
  process.stderr.write(
    'demo: curl was not found. Install it (Debian: apt-get install curl) and run make demo again.\n',
  );
  process.exit(1);
}

const directory = mkdtempSync(join(tmpdir(), 'boundary-demo-'));
const upstream = await startDemoUpstream();
const policy = `allow:
  - domain: localhost
    port: ${upstream.port}
    cidr: 127.0.0.0/8       # this name leads to loopback, which stays shut unless a rule opens it
    methods: [GET]
    path: /api/*
`;
writeFileSync(join(directory, 'policy.yaml'), policy);
writeFileSync(join(directory, 'upstream-ca.pem'), upstream.caPem);
const sidecar = await startDemoSidecar(join(ROOT, 'bin/boundary'), directory, 'policy.yaml').catch(
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);

/** Runs curl as a tool inside boundary would run: the proxy and the trust bundle come from its environment. */
async function curl(...arguments_: string[]): Promise<void> {
  say(`   $ curl ${arguments_.join(' ')}`);
  shown(await sidecar.curl(['--silent', '--show-error', ...arguments_]));
}

try {
  step('A policy: GET below /api on one host, nothing else');
  shown(policy);

  step('Allowed: the request matches the rule');
  await curl(`https://localhost:${upstream.port}/api/greeting`);

  step('Denied: another method and another path, on the same host, inside TLS');
  await curl('--request', 'DELETE', `https://localhost:${upstream.port}/repositories/everything`);
  const seen = upstream.seen().join(', ');
  say(`\n   The upstream saw: ${seen === '' ? 'nothing' : seen}`);
  if (seen !== 'GET /api/greeting') {
    process.stderr.write('demo: expected that the upstream sees GET /api/greeting and nothing else\n');
    process.exitCode = 1;
  }

  step('What the metrics say of both');
  const decisions = (await sidecar.metrics())
    .split('\n')
    .filter((line) => /^boundary_decisions_total\{/.test(line));
  shown(decisions.join('\n'));

  step('What the audit log says of both (some of its keys)');
  await sidecar.stop(); // It writes what is left, then ends.
  shown(readFileSync(sidecar.auditFile, 'utf8').trim().split('\n').map(briefly).join('\n'));

  step('The same for a command of your own');
  shown('bin/boundary --allow "domain=example.org" -- curl https://example.org');
  shown('bin/boundary --help');
} finally {
  await sidecar.stop();
  upstream.close();
  rmSync(directory, { recursive: true, force: true });
}
