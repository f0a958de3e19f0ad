import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  type Site,
  startSite,
  told,
} from '../harness/behind-boundary.ts';
import { gitHandler, makeRepository } from './git-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-git-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The rule about one repository, on the port of the site and the address behind its name. */
const repo = (site: Site, path: string, more = '') =>
  `repo: ${site.name}/${path}\n${site.rule.split('\n').slice(1).join('\n')}${more}`;

const CLONE = 'git clone -q "$ORIGIN/acme/tool.git" tool && cat tool/README.md';
const PUSH = `${CLONE} && cd tool && git -c user.name=T -c user.email=t@example.test commit -q --allow-empty -m Second && git push -q origin main && echo pushed`;

const git = (site: Site, policy: string, script: string) =>
  behindBoundary({ policy, env: { ORIGIN: site.origin, GIT_TERMINAL_PROMPT: '0' } }, 'sh', '-c', script);

const tip = (bare: string) =>
  execFileSync('git', ['-C', bare, 'rev-list', '--count', 'main'], { encoding: 'utf8' }).trim();

const served = (name: string) => {
  const root = join(directory, name);
  return { bare: makeRepository(root, 'acme', 'tool'), handler: gitHandler(root) };
};

for (const http2 of [false, true]) {
  test(`git clone with a read rule, upstream ${http2 ? 'HTTP/2' : 'HTTP/1.1'}`, async (context) => {
    nameClient(context, 'git', '--version');
    const { handler } = served(`clone-${http2}`);
    await using site = await startSite({ handler, http2 });
    const result = await git(site, allowing(repo(site, 'acme/tool')), CLONE);
    assert.equal(result.stdout, 'behind the boundary\n', told(result));
    assert.deepEqual(new Set(result.audit.map((line) => line.verdict)), new Set(['allow']));
    auditLine(result, {
      method: 'POST',
      url: `${site.origin}/acme/tool.git/git-upload-pack`,
      status: 200,
      error: null,
    });
  });
}

test('git push with a read rule is denied at its discovery; the upstream sees nothing of a receive-pack', async () => {
  const { bare, handler } = served('read');
  await using site = await startSite({ handler });
  const result = await git(site, allowing(repo(site, 'acme/tool')), PUSH);
  assert.match(result.stdout, /^behind the boundary\n$/, told(result));
  assert.match(
    result.stderr,
    /fatal: unable to access '.*\/acme\/tool\.git\/': The requested URL returned error: 403/,
  );
  assert.notEqual(result.code, 0);
  assert.equal(tip(bare), '1');
  assert.deepEqual(
    site.requests.filter(({ url }) => /receive-pack/.test(url)),
    [],
  );
  auditLine(result, { verdict: 'deny', method: 'GET', status: 403 });
});

test('git push with access: write arrives', async () => {
  const { bare, handler } = served('write');
  await using site = await startSite({ handler });
  const result = await git(site, allowing(repo(site, 'acme/tool', '\n    access: write')), PUSH);
  assert.match(result.stdout, /pushed\n$/, told(result));
  assert.equal(tip(bare), '2');
  auditLine(result, {
    verdict: 'allow',
    method: 'POST',
    url: `${site.origin}/acme/tool.git/git-receive-pack`,
    status: 200,
  });
});

test('a push larger than git buffers goes chunked, its answer comes back', async () => {
  const { bare, handler } = served('large');
  await using site = await startSite({ handler });
  const commit =
    'head -c 3000000 /dev/urandom > blob && git add blob && git -c user.name=T -c user.email=t@example.test commit -q -m Large';
  const script = `${CLONE} && cd tool && ${commit} && git push -q origin main && echo pushed`;
  const result = await git(site, allowing(repo(site, 'acme/tool', '\n    access: write')), script);
  assert.match(result.stdout, /pushed\n$/, told(result));
  assert.equal(tip(bare), '2');
  const heads = site.requests.filter(
    ({ method, url }) => method === 'POST' && url.endsWith('git-receive-pack'),
  );
  assert.ok(heads.some(({ rawHeaders }) => rawHeaders.some((value) => value.toLowerCase() === 'chunked')));
});

test('another repository of the same host is denied, its upstream not connected to', async () => {
  const { handler } = served('other');
  await using site = await startSite({ handler });
  const result = await git(site, allowing(repo(site, 'acme/other')), CLONE);
  assert.match(result.stderr, /The requested URL returned error: 403/, told(result));
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', rule: null });
});

test('a host that no rule names is denied at the CONNECT, and git says so', async () => {
  const { handler } = served('host');
  await using site = await startSite({ handler });
  const result = await git(site, allowing('domain: elsewhere.example'), CLONE);
  assert.match(result.stderr, /CONNECT tunnel failed, response 403/, told(result));
  assert.equal(site.connections(), 0);
});

test('a deny of a repository wins over a domain that allows everything', async () => {
  const { bare, handler } = served('deny');
  await using site = await startSite({ handler });
  const policy = `${allowing(site.rule)}deny:\n  - repo: ${site.name}/acme/tool\n    port: any\n    reason: this one is for people\n`;
  const result = await git(site, policy, CLONE);
  assert.notEqual(result.code, 0, told(result));
  assert.equal(site.connections(), 0);
  assert.match(String(auditLine(result, { verdict: 'deny' }).reason), /this one is for people/);
  assert.equal(readFileSync(join(bare, 'HEAD'), 'utf8'), 'ref: refs/heads/main\n');
});
