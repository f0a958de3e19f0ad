import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createMetrics } from '../metrics/create-metrics.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { Rule, RuleSpec } from '../policy/types.ts';
import { type Control, type ControlOptions, createControl, type Readiness } from './create-control.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-control-'));
after(() => rmSync(directory, { recursive: true }));

const token = 'a-token-for-tests';
const specs: RuleSpec[] = [
  { domains: ['example.org'], methods: ['GET'] },
  { domains: ['api.example.org'], inject: { header: 'Authorization', value: 'Bearer TOPSECRET' } },
  { domains: ['db.example.org'], cidrs: ['192.0.2.0/24'] },
];
const rules = specs.map((spec, id): Rule => {
  const line = id + 3;
  return {
    id,
    effect: 'allow',
    spec,
    file: 'boundary.yaml',
    line,
    column: 5,
    label: `boundary.yaml:${line}`,
  };
});
const compiled = compilePolicy({
  mode: 'audit',
  inspect: 'always',
  private: false,
  onAuditFailure: 'continue',
  hash: 'abc',
  files: ['boundary.yaml'],
  rules,
  confines: [],
});
assert.ok('policy' in compiled);
const { policy } = compiled;

let readiness: Readiness = { ready: true, reasons: [] };
const warnings = [{ file: 'boundary.yaml', line: 3, column: 1, message: 'a warning' }];
const { registry } = createMetrics();

function start(over: Partial<ControlOptions> = {}): Promise<Control> {
  return createControl({
    listen: { host: '127.0.0.1', port: 0 },
    token,
    registry,
    policy: () => policy,
    warnings: () => warnings,
    ready: () => readiness,
    ...over,
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** One request, with exactly these headers. */
function ask(
  control: Control,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { address } = control;
  const place = 'path' in address ? { socketPath: address.path } : address;
  const sent = request({ ...place, path, method, headers, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
  });
  sent.on('error', reject).end();
  return promise;
}

const bearer = { Authorization: `Bearer ${token}` };
let control: Control;
before(async () => {
  control = await start();
});
after(() => control.close());

for (const [name, path, headers, status] of [
  ['health is open', '/healthz', {}, 200],
  ['metrics are open', '/metrics', {}, 200],
  ['the policy needs the token', '/v1/policy', {}, 401],
  ['a wrong token is none', '/v1/policy', { Authorization: 'Bearer a-token-for-testz' }, 401],
  ['a token of another length is none', '/v1/policy', { Authorization: 'Bearer a' }, 401],
  ['basic credentials are none', '/v1/policy', { Authorization: `Basic ${btoa(`x:${token}`)}` }, 401],
  ['explain needs the token', '/v1/explain?method=GET&url=http://x/', {}, 401],
  ['what is not there needs it too', '/v1/nothing', {}, 401],
  ['another spelling opens nothing', '/V1/policy', {}, 404],
  ['nor does a dot segment', '/healthz/../v1/policy', {}, 404],
  ['nor does a doubled slash', '//v1/policy', {}, 404],
  ['the token opens it', '/v1/policy', bearer, 200],
  ['an unknown path', '/nothing', {}, 404],
  ['a malformed escape', '/v1/%zz', bearer, 404],
  ['explain without a URL', '/v1/explain?method=GET', bearer, 400],
  ['explain with two URLs', '/v1/explain?method=GET&url=a&url=b', bearer, 400],
  ['a rebound name', '/metrics', { Host: 'evil.example' }, 403],
  ['a rebound name with our port', '/healthz', { Host: 'evil.example:80' }, 403],
  ['a name that begins like ours', '/healthz', { Host: 'localhost.evil.example' }, 403],
  ['a malformed Host', '/healthz', { Host: 'localhost@evil' }, 403],
  ['localhost', '/healthz', { Host: 'LOCALHOST:9' }, 200],
  ['an IPv6 address', '/healthz', { Host: '[::1]:9' }, 200],
] as const) {
  test(name, async () => {
    const answer = await ask(control, path, headers);
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.headers['x-powered-by'], undefined);
    assert.equal(answer.headers['cache-control'], 'no-store');
    if (path !== '/metrics' || status !== 200) {
      assert.match(String(answer.headers['content-type']), /^application\/json/);
      if (status >= 400) assert.equal(typeof JSON.parse(answer.text).error, 'string');
    }
    if (status === 401) assert.match(String(answer.headers['www-authenticate']), /^Bearer/);
  });
}

for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
  test(`${method} is refused`, async () => {
    const answer = await ask(control, '/v1/policy', bearer, method);
    assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD']);
  });
}

test('readiness says why not', async () => {
  readiness = { ready: false, reasons: ['stopping'] };
  const answer = await ask(control, '/readyz');
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [503, readiness]);
  readiness = { ready: true, reasons: [] };
  assert.equal((await ask(control, '/readyz')).status, 200);
});

test('metrics are in the exposition format', async () => {
  const answer = await ask(control, '/metrics');
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(answer.text, /^boundary_connections\{kind="client"\} 0$/m);
});

test('the policy is shown with its warnings and without its secrets', async () => {
  const answer = await ask(control, '/v1/policy', bearer);
  assert.ok(!answer.text.includes('TOPSECRET'));
  const shown = JSON.parse(answer.text);
  assert.deepEqual(
    [shown.hash, shown.mode, shown.warnings, shown.rules.length],
    ['abc', 'audit', warnings, 3],
  );
  assert.deepEqual(shown.rules[1], {
    effect: 'allow',
    file: 'boundary.yaml',
    line: 4,
    column: 5,
    spec: { domains: ['api.example.org'], inject: { header: 'Authorization' } },
  });
});

for (const [method, url, verdict, line] of [
  ['GET', 'https://example.org/x', 'allow', 3],
  ['POST', 'https://example.org/x', 'deny', null],
  ['GET', 'https://other.example/', 'deny', null],
  ['GET', 'https://api.example.org/', 'allow', 4],
  ['GET', 'https://db.example.org/', 'deny', null],
  ['GET', 'https://example.org/a/../b', 'deny', null],
  ['GET', 'not a url', 'deny', null],
] as const) {
  test(`explain ${method} ${url}`, async () => {
    const answer = await ask(control, `/v1/explain?${new URLSearchParams({ method, url })}`, bearer);
    assert.equal(answer.status, 200);
    assert.ok(!answer.text.includes('TOPSECRET'));
    const explained = JSON.parse(answer.text);
    assert.equal(explained.verdict, verdict);
    assert.deepEqual(explained.rule, line === null ? null : { file: 'boundary.yaml', line });
    assert.equal(typeof explained.reason, 'string');
  });
}

test('a policy that fails is answered 500 without its message', async () => {
  const broken = await start({
    ready: () => {
      throw new Error('TOPSECRET');
    },
  });
  const answer = await ask(broken, '/readyz');
  assert.equal(answer.status, 500);
  assert.ok(!answer.text.includes('TOPSECRET'));
  await broken.close();
});

for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.0.0.1.nip.io']) {
  test(`listening on ${host} is refused`, async () => {
    await assert.rejects(start({ listen: { host, port: 0 } }), /other machines may reach/);
  });
}

test('an empty token is refused', async () => {
  await assert.rejects(start({ token: '' }), /empty/);
});

test('a unix socket is ours alone, replaces a stale one, and goes when it closes', async () => {
  const path = join(directory, 'control.sock');
  const leaveBehind = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', leaveBehind, path]);
  assert.ok(statSync(path).isSocket());
  const local = await start({ listen: { path } });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal((await ask(local, '/healthz', { Host: 'anything' })).status, 200);
  assert.equal((await ask(local, '/v1/policy')).status, 401);
  await local.close();
  assert.ok(!existsSync(path));
});

test('a path that is taken is left alone', async () => {
  const file = join(directory, 'a-file');
  writeFileSync(file, 'mine');
  await assert.rejects(start({ listen: { path: file } }), /not a socket/);
  const path = join(directory, 'live.sock');
  const other = createServer().listen(path);
  await assert.rejects(start({ listen: { path } }), /Another process listens/);
  other.close();
});
