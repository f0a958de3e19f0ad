import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runBoundary } from '../harness/boundary.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const path = (name: string) => join(directory, name);
writeFileSync(path('no-mode'), '#!/bin/sh\nexit 0\n', { mode: 0o644 });
writeFileSync(path('no-shebang'), 'exit 9\n', { mode: 0o755 });
writeFileSync(path('typo.yaml'), 'allow:\n  - domian: github.com\n');
writeFileSync(path('empty.yaml'), '');
writeFileSync(path('files.yaml'), 'allow: [github.com]\nfiles: { read: [/usr] }\n');
writeFileSync(path('recorded.yaml'), 'audit: { on_failure: deny }\nallow: [github.com]\n');
writeFileSync(path('both.yaml'), 'files: { read: [/usr] }\ncommands: { deny: [ssh] }\n');

/** What bin/boundary is given, and how it has to end. */
const cases: readonly { args: string[]; code: number; says?: RegExp; env?: NodeJS.ProcessEnv }[] = [
  { args: ['--', 'true'], code: 0 },
  { args: ['run', '--', 'true'], code: 0 },
  { args: ['--', 'sh', '-c', 'exit 42'], code: 42 },
  { args: ['--', 'sh', '-c', 'exit 255'], code: 255 },
  { args: ['--allow', 'github.com', 'sh', '-c', 'exit 3'], code: 3 },
  { args: ['--', 'sh', '-c', 'kill -TERM $$'], code: 143 },
  { args: ['--', 'sh', '-c', 'kill -KILL $$'], code: 137 },
  { args: ['--', 'sh', '-c', 'kill -INT $$'], code: 130 },
  {
    args: ['--', 'no-such-command'],
    code: 127,
    says: /no-such-command: command not found; check its spelling/,
  },
  { args: ['--', './no-such-command'], code: 127, says: /command not found/ },
  { args: ['--', '/'], code: 126, says: /cannot be executed/ },
  { args: ['--', path('no-mode')], code: 126, says: /cannot be executed.*EACCES; .*chmod \+x/ },
  { args: ['--', path('no-shebang')], code: 9 },
  // `check` behind -- is a command like any other.
  { args: ['--', 'check'], code: 127, says: /check: command not found/ },
  { args: ['run'], code: 125, says: /missing required argument 'command'/ },
  { args: ['--'], code: 125, says: /missing required argument 'command'/ },
  {
    args: ['--alow', 'x', '--', 'true'],
    code: 125,
    says: /unknown option '--alow'\n\(Did you mean --allow\?\)/,
  },
  { args: ['--mode', 'loud', '--', 'true'], code: 125, says: /Allowed choices are enforce, audit/ },
  { args: ['--proxy-port', '70000', '--', 'true'], code: 125, says: /Expected a port from 1 to 65535/ },
  {
    args: ['--config', path('typo.yaml'), '--', 'true'],
    code: 125,
    says: /typo\.yaml:2:5: .*domian.*Did you mean "domain"\?[\s\S]*nothing was started/,
  },
  {
    args: ['--config', path('absent.yaml'), '--', 'true'],
    code: 125,
    says: /absent\.yaml:1:1: there is no such file/,
  },
  { args: ['--allow', '127.1', '--', 'true'], code: 125, says: /^--allow:1:\d+: /m },
  {
    args: ['--config', path('files.yaml'), '--', 'true'],
    code: 125,
    says: /uses `files`, which isolation proxy cannot enforce/,
  },
  { args: ['--config', path('both.yaml'), '--', 'true'], code: 125, says: /uses `files` and `commands`/ },
  {
    args: ['--config', path('recorded.yaml'), '--', 'true'],
    code: 125,
    says: /on_failure: deny.*--log-level warn .*or use --log-level info/,
  },
  { args: ['--config', path('recorded.yaml'), '--log-level', 'info', '--', 'true'], code: 0 },
  { args: ['--config', path('recorded.yaml'), '--log-dir', path('logs'), '--', 'true'], code: 0 },
  {
    args: ['--isolation', 'namespace', '--', 'true'],
    code: 125,
    says: /--isolation namespace is not available/,
  },
  { args: ['--isolation', 'proxy', '--', 'true'], code: 0 },
  {
    args: ['--upstream-ca', path('typo.yaml'), '--', 'true'],
    code: 125,
    says: /holds no certificate; --upstream-ca expects PEM/,
  },
  { args: ['--upstream-proxy', 'nonsense', '--', 'true'], code: 125, says: /proxy/ },
  { args: ['--log-dir', '/dev/null/x', '--', 'true'], code: 125, says: /cannot make \/dev\/null\/x/ },
  { args: ['--', 'sh', '-c', 'exit 4'], env: { BOUNDARY_MODE: 'audit' }, code: 4 },
  { args: ['--', 'true'], env: { BOUNDARY_MODE: 'loud' }, code: 125, says: /BOUNDARY_MODE/ },
  // A variable that is empty is one that is not set.
  { args: ['--', 'true'], env: { BOUNDARY_MODE: '', PROXY_PORT: '', BOUNDARY_LOG_DIR: '' }, code: 0 },
  { args: ['--', 'true'], env: { BOUNDARY_CONFIG: path('typo.yaml') }, code: 125, says: /typo\.yaml:2:5/ },
  { args: ['chekc', 'x.yaml'], code: 2, says: /unknown command 'chekc'\n\(Did you mean check\?\)/ },
  { args: ['curl', 'https://example.org'], code: 2, says: /to run a command, write: boundary -- COMMAND/ },
  { args: ['check', '--jsno'], code: 2, says: /Did you mean --json\?/ },
  { args: ['check', path('absent.yaml')], code: 1, says: /absent\.yaml:1:1: there is no such file/ },
  {
    args: ['--config', path('empty.yaml'), '--', 'true'],
    code: 0,
    says: /empty\.yaml has no rules: everything is denied/,
  },
  { args: ['check', directory], code: 1, says: /:1:1: this is a directory; name a file in it/ },
  { args: ['test', path('absent.yaml')], code: 1, says: /absent\.yaml: there is no such file/ },
  { args: ['explain', 'GET'], code: 2, says: /found "GET" and no URL.*explain GET https:/ },
  {
    args: ['audit', path('absent.jsonl')],
    code: 1,
    says: /absent\.jsonl: there is no such file; check the path/,
  },
  {
    args: ['ca', 'print', '--ca-dir', path('absent')],
    code: 1,
    says: /there is no certificate authority in/,
  },
  { args: ['sidecar', '--listen', '8080'], code: 2, says: /Expected HOST:PORT/ },
  {
    args: ['sidecar', '--config', path('files.yaml')],
    code: 1,
    says: /a sidecar starts none and cannot enforce/,
  },
];

for (const { args, code, says, env } of cases) {
  const variables = env === undefined ? '' : `${JSON.stringify(env)} `;
  test(`${variables}boundary ${args.join(' ').replaceAll(`${directory}/`, '')} exits ${code}`, async () => {
    const ended = await runBoundary(args, {
      cwd: directory,
      env: { HOME: directory, TMPDIR: directory, ...env },
    });
    assert.equal(ended.code, code, ended.stderr);
    if (says !== undefined) assert.match(ended.stderr, says);
    assert.doesNotMatch(ended.stderr, /^ {4}at /m, 'no stack trace for a person');
    const left = readdirSync(directory).filter((name) => name.startsWith('boundary-'));
    assert.deepEqual(left, [], 'the temporary directory is removed');
  });
}

test('--help and --version answer on standard output', async () => {
  const help = await runBoundary(['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /boundary --allow "domain=github\.com" -- curl https:\/\/github\.com/);
  assert.equal((await runBoundary([])).stdout, help.stdout);
  const version = await runBoundary(['--version']);
  assert.match(version.stdout, /^boundary \d+\.\d+\.\d+ \(Node 26\.\d+\.\d+, policy language 1\)\n$/);
  for (const name of ['run', 'sidecar', 'check', 'explain', 'test', 'audit', 'ca']) {
    const one = await runBoundary([name, '--help']);
    assert.equal(one.code, 0);
    assert.match(one.stdout, /Example/, name);
  }
});
