import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runBoundary, type StartOptions } from '../harness/boundary.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const path = (name: string) => join(directory, name);

writeFileSync(
  path('boundary.yaml'),
  `allow:
  - domain: github.com
    path: /api/issues/*
  - GET,HEAD *.example.org
  - cidr: 10.20.0.0/16
    port: 5432
    protocol: tcp
  - { domain: db.example.net, cidr: 192.0.2.0/24 }
deny:
  - domain: github.com
    path: /api/issues/secret
    reason: not for agents
`,
);
writeFileSync(
  path('faults.yaml'),
  `allow:
  - domian: github.com
  - domain: https://github.com
  - domain: [github.com](http://github.com)
mode: loud
`,
);

function run(args: readonly string[], options: StartOptions = {}) {
  return runBoundary(args, { cwd: directory, env: { HOME: directory }, ...options });
}

/** Each line of the output as JSON. */
function objects(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('check', () => {
  test('says what a policy means', async () => {
    const { code, stdout, stderr } = await run(['check', 'boundary.yaml']);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.match(
      stdout,
      /^boundary\.yaml: ok, 5 rules, sha256 [0-9a-f]{64}\n\nWhat it means:\n {2}Mode enforce/,
    );
    assert.match(stdout, /^ {2}boundary\.yaml:2: allow github\.com; paths \/api\/issues\/\*; port 80, 443$/m);
    assert.match(stdout, /What it opens that is special:\n {2}boundary\.yaml:5: opens 10\.20\.0\.0\/16/);
  });

  test('says every fault with its place, one line each', async () => {
    const { code, stdout, stderr } = await run(['check', 'faults.yaml']);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    const lines = stderr.trimEnd().split('\n');
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, /^faults\.yaml:\d+:\d+: ./);
  });

  test('--json gives one object per line with verdict, rule and reason', async () => {
    const good = objects((await run(['check', '--json', 'boundary.yaml'])).stdout);
    assert.deepEqual(
      good.filter(({ kind }) => kind === 'rule').map(({ verdict, rule }) => [verdict, rule]),
      [2, 4, 5, 8, 10].map((line) => [line === 10 ? 'deny' : 'allow', { file: 'boundary.yaml', line }]),
    );
    for (const line of good) assert.equal(typeof line.reason, 'string');
    const bad = await run(['check', '--json', 'faults.yaml']);
    assert.equal(bad.code, 1);
    for (const { kind, verdict } of objects(bad.stdout)) assert.deepEqual([kind, verdict], ['fault', 'deny']);
  });

  test('--json tells the rules of one preset apart', async () => {
    writeFileSync(path('preset.yaml'), 'allow: [{ preset: npm }, { preset: go }]\n');
    const rules = objects((await run(['check', '--json', 'preset.yaml'])).stdout).filter(
      ({ kind }) => kind === 'rule',
    );
    assert.ok(rules.length > 2);
    assert.equal(new Set(rules.map(({ reason }) => reason)).size, rules.length);
  });

  test('without a file it takes the policy that run would take, with the rules of the flags', async () => {
    const { stdout } = await run(['check', '--allow', 'github.com', '--deny', 'DELETE *']);
    assert.match(stdout, /^flags: ok, 2 rules/);
    assert.match(stdout, /--allow:1: allow github\.com/);
    const env = {
      HOME: directory,
      BOUNDARY_CONFIG: path('boundary.yaml'),
      BOUNDARY_ALLOW: 'a.example\nb.example\n',
    };
    assert.match((await run(['check'], { env })).stdout, /^.*boundary\.yaml: ok, 7 rules/);
  });
});

/** METHOD URL, the verdict, and the line of its rule. */
const requests: readonly (readonly [string, 'allow' | 'deny', number | null])[] = [
  ['GET https://github.com/api/issues/1', 'allow', 2],
  ['POST https://GitHub.com./api/issues/1?x=y', 'allow', 2],
  ['GET https://github.com/api/issues', 'deny', null],
  ['GET https://github.com/api/issues/secret', 'deny', 10],
  ['GET https://github.com/api/issues/Secret/', 'deny', 10],
  ['GET https://www.example.org/', 'allow', 4],
  ['POST https://www.example.org/', 'deny', null],
  ['GET https://example.org/', 'deny', null],
  ['GET https://github.com/api/issues/../secret', 'deny', null],
  ['GET https://github.com:8443/api/issues/1', 'deny', null],
  ['GET https://bücher.example.org/ä', 'allow', 4],
  ['CONNECT tcp://10.20.1.2:5432', 'allow', 5],
  ['CONNECT tcp://10.21.1.2:5432', 'deny', null],
  ['GET https://db.example.net/', 'deny', null],
  ['FROB https://www.example.org/', 'deny', null],
  ['GET ftp://www.example.org/', 'deny', null],
  ['GET https://127.1/', 'deny', null],
];

describe('explain', () => {
  test('reads lines from standard input and answers one object for each', async () => {
    const input = ['# a comment', '', ...requests.map(([text]) => text), 'lonely'].join('\n');
    const { code, stdout } = await run(['explain', '-c', 'boundary.yaml', '--json', '-'], { input });
    assert.equal(code, 0);
    const found = objects(stdout).map(({ method, url, verdict, rule }) => {
      return [`${method} ${url}`, verdict, (rule as { line: number } | null)?.line ?? null];
    });
    assert.deepEqual(found, [...requests.map((line) => [...line]), [' lonely', 'deny', null]]);
  });

  test('names a rule that depends on an address, and the status of what is refused', async () => {
    const input = 'GET https://db.example.net/\nGET https://github.com/api/issues/../secret\n';
    const { stdout } = await run(['explain', '-c', 'boundary.yaml', '-'], { input });
    const [address = '', refused = ''] = stdout.split('\n');
    assert.match(address, /^deny\tGET https:\/\/db\.example\.net\/\tnone\t.*boundary\.yaml:8/);
    assert.match(refused, /^deny\tGET .*answered 400, whatever the rules/);
  });

  test('says verdict, rule, reason and change to a person', async () => {
    const { code, stdout } = await run([
      'explain',
      '--allow',
      'github.com',
      'POST',
      'https://api.github.com/user',
    ]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^deny {2}POST https:\/\/api\.github\.com\/user\n {2}rule {4}none\n {2}reason {2}No rule allows .*\n {2}change {2}add to "allow": \{ domain: api\.github\.com, .*\n$/,
    );
  });
});

describe('test', () => {
  test('passes where every case holds, and names line and column where one does not', async () => {
    const cases = (last: string) =>
      `policy: boundary.yaml
cases:
  - { method: GET, url: "https://github.com/api/issues/1", verdict: allow, rule: 2 }
  - { url: "https://www.example.org/", verdict: allow, rule: "boundary.yaml:4" }
  - { method: PUT, url: "https://www.example.org/", verdict: deny, rule: none }
  - ${last}
`;
    writeFileSync(path('good.yaml'), cases('{ url: "https://github.com/x", verdict: deny }'));
    const good = await run(['test', 'good.yaml'], { cwd: '/', env: { HOME: directory } });
    assert.equal(good.code, 1, 'the path is relative to the current directory');
    const passed = await run(['test', 'good.yaml']);
    assert.deepEqual([passed.code, passed.stdout], [0, '4 passed, 0 failed\n'], passed.stderr);
    const elsewhere = await run(['test', path('good.yaml')], { cwd: '/' });
    assert.equal(elsewhere.code, 0, 'the policy is found beside the cases');

    writeFileSync(path('bad.yaml'), cases('{ url: "https://github.com/api/issues/secret", verdict: allow }'));
    const bad = await run(['test', 'bad.yaml']);
    assert.deepEqual([bad.code, bad.stdout], [1, '3 passed, 1 failed\n']);
    assert.match(
      bad.stderr,
      /^bad\.yaml:6:5: GET https:\/\/github\.com\/api\/issues\/secret: expected allow, found deny by boundary\.yaml:10\. /,
    );
    const json = objects((await run(['test', '--json', 'bad.yaml'])).stdout);
    assert.deepEqual(
      json.map(({ passed, verdict }) => [passed, verdict]),
      [
        [true, 'allow'],
        [true, 'allow'],
        [true, 'deny'],
        [false, 'deny'],
      ],
    );
  });

  test('says what is wrong with a file of cases, all at once', async () => {
    writeFileSync(
      path('wrong.yaml'),
      'cases:\n  - { url: x, verdct: allow }\n  - { url: y, verdict: maybe }\n',
    );
    const { code, stderr } = await run(['test', 'wrong.yaml']);
    assert.equal(code, 1);
    assert.match(stderr, /^wrong\.yaml:2:15: .*verdct.*Did you mean "verdict"\?/m);
    assert.match(stderr, /^wrong\.yaml:2:5: this case has no verdict/m);
    assert.match(stderr, /^wrong\.yaml:3:24: .*allow, deny/m);
  });
});

describe('audit', () => {
  test('filters and adds up what a run left', async () => {
    const script = 'for u in a b b; do curl -s -o /dev/null http://$u.example/?q=secret; done';
    const log = await run(['--log-dir', 'logs', '--', 'sh', '-c', script]);
    const file = /log: (.*)$/m.exec(log.stderr)?.[1] ?? '';
    const summary = await run(['audit', file]);
    assert.equal(summary.code, 0, summary.stderr);
    assert.match(summary.stdout, /^3 requests, /);
    assert.match(summary.stdout, /b\.example/);
    const json = objects((await run(['audit', file, '--format', 'json', '--host', 'b.*'])).stdout);
    assert.equal(json.length, 2);
    assert.deepEqual(
      [json[0]?.verdict, json[0]?.status, json[0]?.url],
      ['deny', 403, 'http://b.example/?q=***'],
    );
    const csv = (await run(['audit', file, '--format', 'csv', '--verdict', 'allow'])).stdout;
    assert.match(csv, /^time,run,seq,[^\n]*\n$/);
    const none = await run(['audit', file, '--since', 'yesterday']);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /Expected a time such as/);
  });
});
