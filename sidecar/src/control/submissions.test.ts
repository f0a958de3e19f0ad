import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadPolicy } from '../policy/load.ts';
import { createSubmissions, readSubmission, type Submission } from './submissions.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-submissions-'));
const path = join(directory, 'submit.sock');
const seen: Submission[] = [];
let ready = false;
let listener: { close(): Promise<void> };

before(async () => {
  listener = await createSubmissions({
    path,
    submit(submission) {
      seen.push(submission);
      const { file, text, allow, deny, mode } = submission;
      return loadPolicy({
        sources: [{ file, text }],
        allow,
        deny,
        ...(mode === null ? {} : { overrides: { mode } }),
      });
    },
    ready: () => ({ ready, reasons: ready ? [] : ['the gate has not handed over its sockets'] }),
  });
});
after(async () => {
  await listener.close();
  rmSync(directory, { recursive: true });
});

function ask(method: string, url: string, body?: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const sent = request({ socketPath: path, method, path: url, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    sent.on('error', reject).end(body);
  });
}

test('the socket is for its owner alone', () => {
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a policy that loads is answered with what is in force', async () => {
  const text = 'allow:\n  - github.com\n';
  const answer = await ask(
    'POST',
    '/v1/policy',
    JSON.stringify({ file: 'policy.yaml', text, mode: 'audit' }),
  );
  assert.equal(answer.status, 200);
  const { mode, rules, warnings } = answer.body as Record<string, unknown>;
  assert.deepEqual({ mode, rules, warnings }, { mode: 'audit', rules: 1, warnings: [] });
  assert.deepEqual(seen.at(-1), { file: 'policy.yaml', text, allow: [], deny: [], mode: 'audit' });
});

test('a policy with faults is answered with every one of them and its place', async () => {
  const text = 'allow:\n  - domian: x\ndeny: 7\n';
  const answer = await ask(
    'POST',
    '/v1/policy',
    JSON.stringify({ file: 'policy.yaml', text, allow: ['api.*'] }),
  );
  assert.equal(answer.status, 422);
  const { faults } = answer.body as { faults: { file: string; line: number }[] };
  assert.deepEqual(
    faults.map(({ file, line }) => `${file}:${line}`),
    ['policy.yaml:2', 'policy.yaml:3', '--allow:1'],
  );
});

for (const [name, body] of [
  ['no object', '[]'],
  ['no text', '{"file":"p.yaml"}'],
  ['no file', '{"text":""}'],
  ['rules that are no strings', '{"file":"p","text":"","allow":[1]}'],
  ['an unknown mode', '{"file":"p","text":"","mode":"off"}'],
  ['no JSON', '{'],
] as const) {
  test(`${name} changes nothing`, async () => {
    const before = seen.length;
    const { status, body: answer } = await ask('POST', '/v1/policy', body);
    assert.ok(status === 400, `${status}`);
    assert.match(JSON.stringify(answer), /error/);
    assert.equal(seen.length, before);
  });
}

test('readiness says why not', async () => {
  assert.deepEqual(await ask('GET', '/v1/ready'), {
    status: 503,
    body: { ready: false, reasons: ['the gate has not handed over its sockets'] },
  });
  ready = true;
  assert.equal((await ask('GET', '/v1/ready')).status, 200);
});

test('there is nothing else', async () => {
  for (const [method, url] of [
    ['GET', '/v1/policy'],
    ['PUT', '/v1/policy'],
    ['GET', '/'],
  ] as const) {
    assert.equal((await ask(method, url)).status, 404);
  }
});

test('a submission survives being kept', () => {
  const kept = { file: 'p.yaml', text: 'x', allow: ['a'], deny: [], mode: null };
  assert.deepEqual(readSubmission(JSON.parse(JSON.stringify(kept))), kept);
  assert.ok(existsSync(path));
});
