/** `boundary run --isolation container`: what a command in a container gets, and how boundary ends. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { auditLines, runBoundary } from '../harness/boundary.ts';
import {
  endContained,
  objectsOf,
  prepareContainers,
  runContained,
  startContained,
} from '../harness/contained.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
const path = (...names: string[]) => join(directory, ...names);
const home = { HOME: directory };
const ca = createTestCa();
/** This machine, as a sidecar's container sees it. */
const HOST = 'host.docker.internal';
let upstream: Upstream;
let policy: string[];

before(async () => {
  await prepareContainers();
  upstream = await startUpstream({
    tls: { ca, hosts: [HOST] },
    host: '0.0.0.0',
    handler: (request, response) => response.end(`hello ${request.headers['x-token'] ?? ''}`),
  });
  writeFileSync(path('upstream.pem'), ca.caPem);
  writeFileSync(
    path('boundary.yaml'),
    `allow:\n  - { domain: ${HOST}, port: ${upstream.port}, cidr: 172.16.0.0/12, path: /allowed }\n`,
  );
  policy = ['--config', path('boundary.yaml'), '--upstream-ca', path('upstream.pem')];
});
after(async () => {
  await endContained();
  await upstream.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('a command in a container', { concurrency: 2 }, () => {
  test('gets what is allowed, and is told why the rest is denied, without a proxy and without an interface', async () => {
    const url = `https://${HOST}:${upstream.port}`;
    const script = `curl -sS ${url}/allowed; echo; curl -sS ${url}/other; env | grep -i proxy
      python3 -c 'import requests; print(requests.get("${url}/allowed").status_code)'
      ip -o link | wc -l; touch /run/boundary/trust/x 2>&1; cat /proc/self/status | grep NoNewPrivs; exit 7`;
    const running = startContained([...policy, '--', 'bash', '-c', script], { env: home });
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 7, stderr);
    const [first, ...rest] = stdout.split('\n');
    assert.equal(first, 'hello ');
    assert.match(rest.join('\n'), /No rule allows GET https:.*\/other/);
    assert.match(rest.join('\n'), /^200\n1\ntouch: .*Read-only file system\nNoNewPrivs:\t0\n$/m);
    assert.doesNotMatch(stdout, /_proxy=/i);
    assert.match(
      stderr,
      /^boundary: isolation is container: boundary-test-workspace:dev has no network but through the boundary \(run [0-9a-f]{8}, boundary:dev, Docker \S+\)\n/,
    );
    assert.match(stderr, /DENY +GET https:.*\/other 403/);
    assert.doesNotMatch(stderr, /stopp/, 'what the sidecar says of its own end is left out');
    assert.deepEqual(
      upstream.requests.filter(({ url }) => url !== '/allowed'),
      [],
    );
    assert.deepEqual(objectsOf(running), [], 'nothing is left in the engine');
  });

  test('has its standard streams: input to its end, output and errors apart, whatever their size', async () => {
    const input = `${'x'.repeat(999_999)}\n`;
    const script = 'tee >(wc -c >&2) | sha256sum; head -c 3000000 /dev/zero; echo end';
    const { code, stdout, stderr } = await runContained(
      ['--log-level', 'error', '--', 'bash', '-c', `${script}; wait`],
      { env: home, input },
    );
    assert.equal(code, 0);
    assert.equal(stderr, '1000000\n');
    assert.match(stdout.slice(0, 70), /^[0-9a-f]{64} {2}-\n/);
    assert.equal(stdout.length, 68 + 3_000_000 + 4);
    assert.ok(stdout.endsWith('end\n'));
  });

  test('sees the volumes, the variables, the directory and the user that it was given', async () => {
    mkdirSync(path('work'), { mode: 0o777 });
    writeFileSync(path('work', 'in'), 'from outside\n');
    const script =
      'cat in; echo inside > out; echo x 2>/dev/null > /seen/y || echo read-only; id -u; pwd; echo "$A $HANDED $HOST_ONLY"; ls /named';
    const { code, stdout, stderr } = await runContained(
      [
        ...[
          '--volume',
          './work:/w',
          '--volume',
          `${path('work')}:/seen:ro`,
          '--workdir',
          '/w',
          '--user',
          '0',
        ],
        ...['--env', 'A=1', '--env', 'HANDED', '--', 'sh', '-c', script],
      ],
      { cwd: directory, env: { ...home, HANDED: '2', HOST_ONLY: '3' } },
    );
    assert.equal(code, 2, stderr); // ls: there is no /named
    assert.equal(stdout, 'from outside\nread-only\n0\n/w\n1 2 \n');
    assert.equal(readFileSync(path('work', 'out'), 'utf8'), 'inside\n');
  });

  test('leaves its audit log where it was asked for, and one line that sums it up', async () => {
    const script = `curl -s -o /dev/null http://denied.example/; curl -s https://${HOST}:${upstream.port}/allowed`;
    const { code, stdout, stderr } = await runContained(
      [...policy, '--log-dir', path('logs'), '--', 'sh', '-c', script],
      { env: { ...home, CODER_WORKSPACE_NAME: 'w' } },
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'hello ');
    assert.doesNotMatch(stderr, /DENY/);
    const summary = /^boundary: 1 request allowed, 1 denied; log: (.*\.jsonl)$/m.exec(stderr);
    assert.ok(summary, stderr);
    const lines = auditLines(summary[1] ?? '').filter(({ protocol }) => protocol !== 'dns');
    assert.deepEqual(
      lines.map(({ verdict, url, workspace }) => [verdict, url, workspace]),
      [
        ['deny', 'http://denied.example/', 'w'],
        ['allow', `https://${HOST}:${upstream.port}/allowed`, 'w'],
      ],
    );
    assert.deepEqual(lines.at(-1)?.rule, { file: 'boundary.yaml', line: 2 });
  });

  test('is held to flags, variables and injected headers as well', async () => {
    writeFileSync(
      path('inject.yaml'),
      `allow:\n  - { domain: ${HOST}, port: ${upstream.port}, cidr: 172.16.0.0/12, inject: { header: X-Token, value: "\${env:TOKEN}" } }\n`,
    );
    const url = `https://${HOST}:${upstream.port}`;
    const { stdout, stderr } = await runContained(
      [
        ...['--config', path('inject.yaml'), '--upstream-ca', path('upstream.pem'), '--mode', 'audit'],
        ...[
          '--',
          'sh',
          '-c',
          `curl -sS ${url}/; echo; curl -s -o /dev/null -w '%{http_code}' http://nowhere.example/; env | grep TOKEN`,
        ],
      ],
      { env: { ...home, TOKEN: 'secret', BOUNDARY_DENY: 'domain=nowhere.example' } },
    );
    assert.equal(stdout, 'hello secret\n502', stderr);
    assert.match(stderr, /^\S+ WOULD-DENY +GET http:\/\/nowhere\.example\/ 502 .*--deny:1/m);
  });
});

describe('exit codes', { concurrency: 2 }, () => {
  for (const [command, code, says] of [
    [['sh', '-c', 'exit 42'], 42],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['no-such-command'], 127, /no-such-command.*No such file/],
    [['/etc'], 126, /Permission denied/],
  ] as const) {
    test(`${command.join(' ')} gives ${code}`, async () => {
      const ended = await runContained(['--allow', 'github.com', '--', ...command], { env: home });
      assert.equal(ended.code, code, ended.stderr);
      if (says !== undefined) assert.match(ended.stderr, says);
    });
  }

  for (const [name, args, says, env] of [
    ['no image', ['--isolation', 'container'], /none is named; add --image IMAGE/],
    [
      'an image without a container',
      ['--image', 'debian'],
      /--image is for a command in a container.*add --isolation container/,
    ],
    [
      'a volume of the engine',
      ['--volume', '/run/docker.sock:/d'],
      /would give the command the engine's socket/,
    ],
    ['a volume that is not there', ['--volume', '/no/such/path:/d'], /bind source path does not exist/],
    ['an unknown user', ['--user', 'nobody-here'], /did not start the command: .*nobody-here/],
    ['a variable without a name', ['--env', '=x'], /--env "=x" names no variable/],
    [
      'a proxy on loopback',
      ['--upstream-proxy', 'http://127.0.0.1:3128'],
      /name it by host\.docker\.internal/,
    ],
    [
      'an engine that does not answer',
      [],
      /cannot be reached: .*ENOENT.*systemctl start docker.*--isolation proxy/,
      { DOCKER_HOST: 'unix:///no/such.sock' },
    ],
    [
      'an image without boundary in it',
      ['--boundary-image', 'boundary-test-workspace:dev'],
      /the engine did not start the (gate|sidecar|policy) container: .*"(gate|sidecar|submit)"/,
    ],
  ] as const satisfies readonly (readonly [string, readonly string[], RegExp, NodeJS.ProcessEnv?])[]) {
    test(`125: ${name}`, async () => {
      const flags = name.includes('image') && !name.includes('boundary') ? ['run', ...args] : null;
      const command = ['--log-level', 'error', '--', 'touch', path('ran')];
      const options = { env: { ...home, ...env } };
      const ended =
        flags === null
          ? await runContained([...args, ...command], options)
          : await runBoundary([...flags, ...command], options);
      assert.equal(ended.code, 125, ended.stderr);
      assert.match(ended.stderr, says);
      assert.doesNotMatch(ended.stderr, /^ {4}at /m, 'no stack trace for a person');
    });
  }

  test('125: a policy that a container cannot enforce', async () => {
    writeFileSync(path('files.yaml'), 'allow: [github.com]\nfiles: { read: [/usr] }\n');
    const { code, stderr } = await runContained(['--config', path('files.yaml'), '--', 'true'], {
      env: home,
    });
    assert.equal(code, 125);
    assert.match(stderr, /uses `files`, which isolation container cannot enforce/);
  });

  test("125: a sidecar that does not start, with the sidecar's own reason", async () => {
    const running = startContained(['--upstream-proxy', 'http://proxy.example:3128/path?x', '--', 'true'], {
      env: home,
    });
    const { code, stderr } = await running.ended;
    assert.equal(code, 125);
    assert.match(
      stderr,
      /boundary: the boundary did not start: the sidecar [\s\S]*The upstream proxy must be a host and a port/,
    );
    assert.deepEqual(objectsOf(running), []);
  });
});
