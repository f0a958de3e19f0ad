import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  startSite,
  told,
} from '../harness/behind-boundary.ts';

for (const tls of [true, false]) {
  test(`wget over ${tls ? 'https' : 'http'}: a file that a rule allows, and one that none does`, async (context) => {
    nameClient(context, 'wget', '--version');
    await using site = await startSite({
      tls,
      handler: (_request, response) => void response.end('content\n'),
    });
    const policy = allowing(`${site.rule}\n    path: /open`);
    const allowed = await behindBoundary(
      { policy },
      'wget',
      '-q',
      '-t',
      '1',
      '-O',
      '-',
      `${site.origin}/open`,
    );
    assert.equal(allowed.stdout, 'content\n', told(allowed));
    auditLine(allowed, {
      verdict: 'allow',
      method: 'GET',
      url: `${site.origin}/open`,
      status: 200,
      bytes_out: 8,
    });
    const bytes = site.bytes();
    const denied = await behindBoundary({ policy }, 'wget', '-t', '1', '-O', '-', `${site.origin}/shut`);
    assert.equal(denied.code, 8, told(denied)); // "server issued an error response", wget(1)
    assert.match(denied.stderr, /ERROR 403: Forbidden/);
    assert.equal(site.bytes(), bytes);
    auditLine(denied, { verdict: 'deny', method: 'GET', url: `${site.origin}/shut`, status: 403 });
  });
}

test('wget is denied a host at its CONNECT', async () => {
  await using site = await startSite();
  const result = await behindBoundary(
    { policy: allowing('domain: elsewhere.example') },
    'wget',
    '-t',
    '1',
    site.origin,
  );
  assert.notEqual(result.code, 0, told(result));
  assert.match(result.stderr, /Proxy tunneling failed: Forbidden/i);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', host: site.name, status: 403 });
});
