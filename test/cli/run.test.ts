import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runBoundary } from '../harness/boundary.ts';
import { localName } from '../harness/local-name.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
const path = (...names: string[]) => join(directory, ...names);
const ca = createTestCa();
const { name, address } = await localName();
let upstream: Upstream;

before(async () => {
  upstream = await startUpstream({
    tls: { ca, hosts: [name] },
    host: '0.0.0.0',
    handler: (_request, response) => response.end('hello'),
  });
  writeFileSync(path('upstream.pem'), ca.caPem);
  writeFileSync(
    path('boundary.yaml'),
    `allow:\n  - { domain: ${name}, port: ${upstream.port}, cidr: ${address}/32, path: /allowed }\n`,
  );
});
after(async () => {
  await upstream.close();
  rmSync(directory, { recursive: true, force: true });
});

function run(script: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const flags = ['--config', path('boundary.yaml'), '--upstream-ca', path('upstream.pem'), ...args];
  return runBoundary([...flags, '--', 'sh', '-c', script], { env: { HOME: directory, ...env } });
}

test('a plain curl gets what is allowed, and is told why the rest is denied', async () => {
  const url = `https://${name}:${upstream.port}`;
  const { code, stdout, stderr } = await run(`curl -sS ${url}/allowed; echo; curl -sS ${url}/other`);
  assert.equal(code, 0);
  const [allowed, ...denied] = stdout.split('\n');
  assert.equal(allowed, 'hello');
  assert.match(denied.join('\n'), /No rule allows GET https:.*\/other/);
  assert.match(stderr, /DENY +GET https:.*\/other 403/);
  assert.deepEqual(
    upstream.requests.map((request) => request.url),
    ['/allowed'],
  );
});

test('what the command is given to trust is in a directory of its own, without any key', async () => {
  const script = 'd=$(dirname "$SSL_CERT_FILE"); stat -c %a "$d"; ls "$d"; cat "$d"/*.pem; echo "$d"';
  const first = await run(script);
  const [mode, ...rest] = first.stdout.trimEnd().split('\n');
  assert.equal(mode, '700');
  assert.doesNotMatch(first.stdout, /PRIVATE KEY/);
  const second = await run(script);
  assert.notEqual(second.stdout, first.stdout, 'each run has an authority and a directory of its own');
  assert.equal((await runBoundary(['--', 'test', '-e', rest.at(-1) ?? ''])).code, 1, 'it is gone afterwards');
});

test('what the command leaves in the background has no way out', async () => {
  const url = `https://${name}:${upstream.port}/allowed`;
  const done = path('done');
  const late = `(while kill -0 $PPID 2>/dev/null; do sleep 0.05; done; curl -s -o /dev/null ${url}; echo $? > ${done}) >/dev/null 2>&1 &`;
  const { code } = await run(`${late} exit 0`);
  assert.equal(code, 0);
  // The background shell waits for boundary's end, and then tries.
  for (;;) {
    const wrote = await runBoundary(['--log-level', 'error', '--', 'cat', done]);
    if (wrote.stdout !== '') {
      assert.equal(wrote.stdout, '7\n');
      break;
    }
  }
});

test('a config.yaml of Coder is found and obeyed, and flags beat it', async () => {
  const home = path('coder');
  mkdirSync(join(home, '.config', 'coder_boundary'), { recursive: true });
  writeFileSync(
    join(home, '.config', 'coder_boundary', 'config.yaml'),
    `allowlist:\n  - domain=github.com\njail_type: nsjail\nproxy_port: 0\nlog_level: error\nlog_dir: ${path('logs')}\n`,
  );
  const command = ['--', 'sh', '-c', 'curl -s -o /dev/null http://denied.example/; exit 0'];
  const quiet = await runBoundary(command, { env: { HOME: home } });
  const log = /^boundary: 0 requests allowed, 1 denied; log: (.*)\n$/.exec(quiet.stderr)?.[1] ?? '';
  assert.ok(log.startsWith(path('logs')), quiet.stderr);
  assert.match(readFileSync(log, 'utf8'), /denied\.example/);
  const loud = await runBoundary(['--log-level', 'warn', ...command], { env: { HOME: home } });
  assert.match(loud.stderr, /not held yet/);
});

test('mode audit relaxes the verdict of the rules alone, and counts what it let pass', async () => {
  // The name goes on to be looked up, which fails; the address is special, which no mode opens.
  const script =
    'for h in nowhere.invalid 192.0.2.1; do curl -sS -w "%{http_code}\\n" -o /dev/null http://$h/; done';
  const { stdout, stderr } = await run(script, ['--mode', 'audit', '--log-dir', path('logs')]);
  assert.equal(stdout, '502\n403\n');
  assert.match(stderr, /boundary: 0 requests allowed, 1 passed that enforcing would deny, 1 denied; log: /);
});
