import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  startSite,
  told,
} from '../harness/behind-boundary.ts';
import { npmRegistry } from './package-sources.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-npm-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const INSTALL =
  'npm install --no-audit --no-fund --fetch-retries=0 --registry "$ORIGIN" left-behind && node -p "require(\'left-behind\')"';
const withOrigin = (site: { origin: string }) => ({ env: { ORIGIN: site.origin } });

async function registry(http2: boolean) {
  let origin = '';
  const site = await startSite({
    http2,
    handler: npmRegistry(mkdtempSync(join(directory, 'r-')), () => origin),
  });
  origin = site.origin;
  return site;
}

for (const http2 of [false, true]) {
  test(`npm install takes document and tarball, upstream ${http2 ? 'HTTP/2' : 'HTTP/1.1'}`, async (context) => {
    nameClient(context, 'npm', '--version');
    await using site = await registry(http2);
    const policy = allowing(`${site.rule}\n    methods: [GET]\n    path: [/left-behind, /left-behind/-/*]`);
    const result = await behindBoundary({ policy, ...withOrigin(site) }, 'sh', '-c', INSTALL);
    assert.equal(result.code, 0, told(result));
    assert.match(result.stdout, /\n42\n$/);
    auditLine(result, { verdict: 'allow', url: `${site.origin}/left-behind`, status: 200 });
    auditLine(result, {
      verdict: 'allow',
      url: `${site.origin}/left-behind/-/left-behind-1.0.0.tgz`,
      status: 200,
    });
  });
}

test('npm install of a package whose path no rule allows: E403, and the registry sees no request', async () => {
  await using site = await registry(false);
  const policy = allowing(`${site.rule}\n    path: /other`);
  const result = await behindBoundary({ policy, ...withOrigin(site) }, 'sh', '-c', INSTALL);
  assert.notEqual(result.code, 0, told(result));
  assert.match(result.stderr, /npm (ERR!|error) code E403/);
  assert.match(result.stderr, /403 Forbidden - GET https:\/\/.*\/left-behind/);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', method: 'GET', url: `${site.origin}/left-behind`, status: 403 });
});

test('npm install where only the document is allowed stops at the tarball', async () => {
  await using site = await registry(false);
  const policy = allowing(`${site.rule}\n    path: /left-behind`);
  const result = await behindBoundary({ policy, ...withOrigin(site) }, 'sh', '-c', INSTALL);
  assert.match(result.stderr, /code E403/, told(result));
  assert.deepEqual(
    site.requests.map(({ url }) => url),
    ['/left-behind'],
  );
});

test('npm install from a host that no rule names fails at the CONNECT', async () => {
  await using site = await registry(false);
  const result = await behindBoundary({ policy: '', ...withOrigin(site) }, 'sh', '-c', INSTALL);
  assert.notEqual(result.code, 0, told(result));
  assert.match(result.stderr, /403/);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', host: site.name, status: 403 });
});
