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
import { pipIndex } from './package-sources.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-pip-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const index = (http2 = false) =>
  startSite({ http2, handler: pipIndex(mkdtempSync(join(directory, 'index-'))) });
const install = (site: { origin: string }, policy: string) =>
  behindBoundary(
    { policy, env: { ORIGIN: site.origin, PIP_DISABLE_PIP_VERSION_CHECK: '1' } },
    'sh',
    '-c',
    'python3 -m pip install --retries 1 --no-cache-dir --no-deps --target here --index-url "$ORIGIN/simple" left-behind && PYTHONPATH=here python3 -c "import left_behind; print(left_behind.answer)"',
  );

for (const http2 of [false, true]) {
  test(`pip install takes index and wheel, upstream ${http2 ? 'HTTP/2' : 'HTTP/1.1'}`, async (context) => {
    nameClient(context, 'python3', '-m', 'pip', '--version');
    await using site = await index(http2);
    const result = await install(
      site,
      allowing(`${site.rule}\n    methods: [GET]\n    path: [/simple/*/*, /files/*]`),
    );
    assert.equal(result.code, 0, told(result));
    assert.match(result.stdout, /\n42\n$/);
    auditLine(result, { verdict: 'allow', url: `${site.origin}/simple/left-behind/`, status: 200 });
    auditLine(result, {
      verdict: 'allow',
      url: `${site.origin}/files/left_behind-1.0.0-py3-none-any.whl`,
      status: 200,
    });
  });
}

test('pip install where only the index is allowed: 403 for the file, which is never asked of the upstream', async () => {
  await using site = await index();
  const result = await install(site, allowing(`${site.rule}\n    path: [/simple/*/*]`));
  assert.notEqual(result.code, 0, told(result));
  assert.match(result.stderr, /HTTP error 403 while getting|403 Client Error: Forbidden/);
  assert.deepEqual(
    site.requests.map(({ url }) => url),
    ['/simple/left-behind/'],
  );
  auditLine(result, { verdict: 'deny', method: 'GET', status: 403 });
});

test('pip install from a host that no rule names says 403 from the proxy', async () => {
  await using site = await index();
  const result = await install(site, '');
  assert.notEqual(result.code, 0, told(result));
  assert.match(`${result.stdout}${result.stderr}`, /Tunnel connection failed: 403 Forbidden/);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', host: site.name, status: 403 });
});
