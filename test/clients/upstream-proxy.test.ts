import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  startSite,
  told,
} from '../harness/behind-boundary.ts';
import { freePort } from '../harness/free-port.ts';

const PASSWORD = 'correct-horse';

interface CorporateProxy extends AsyncDisposable {
  readonly port: number;
  /** What it says of each request, credentials left out: `CONNECT NAME:PORT`, `GET http://...`. */
  requests(): string[];
}

/** tinyproxy, which asks for a password and logs what it is asked for to its standard output. */
async function startCorporateProxy(): Promise<CorporateProxy> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-tinyproxy-'));
  const port = await freePort();
  const configuration = join(directory, 'tinyproxy.conf');
  writeFileSync(
    configuration,
    `Port ${port}\nListen 127.0.0.1\nTimeout 60\nLogLevel Info\nMaxClients 20\nBasicAuth corp ${PASSWORD}\n`,
  );
  const child = spawn('tinyproxy', ['-d', '-c', configuration], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
    });
  }
  const ended = once(child, 'close');
  while (!log.includes('Accepting connections')) {
    const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)]);
    if (over) throw new Error(`tinyproxy ended at its start:\n${log}`);
  }
  return {
    port,
    requests: () =>
      [...log.matchAll(/Request \(file descriptor \d+\): (\S+ \S+)/g)].map(([, asked = '']) => asked),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

test('a corporate proxy is asked by name, for https and for http, and only for what is allowed', async (context) => {
  nameClient(context, 'tinyproxy', '-v');
  nameClient(context, 'curl', '--version');
  await using corporate = await startCorporateProxy();
  await using secure = await startSite();
  await using plain = await startSite({ tls: false });
  const policy = allowing(
    `domain: "${secure.name}"\n    port: [${secure.port}, ${plain.port}]\n    path: /open`,
  );
  const flags = ['--upstream-proxy', `http://corp:${PASSWORD}@127.0.0.1:${corporate.port}`];
  const script = [secure, plain]
    .flatMap(({ origin }) => [`${origin}/open`, `${origin}/shut`])
    .map((url) => `curl -sS -o /dev/null -w '%{http_code}\\n' ${url}`)
    .join('; ');
  const result = await behindBoundary({ policy, flags }, 'sh', '-c', script);
  assert.equal(result.stdout, '200\n403\n200\n403\n', told(result));
  assert.deepEqual(corporate.requests(), [`CONNECT ${secure.authority}`, `GET ${plain.origin}/open`]);
  assert.deepEqual(
    [...secure.requests, ...plain.requests].map(({ url }) => url),
    ['/open', '/open'],
  );
  for (const { rawHeaders } of plain.requests) {
    assert.ok(!rawHeaders.some((text) => /^proxy-/i.test(text)), rawHeaders.join('\n'));
  }
  auditLine(result, { verdict: 'allow', url: `${secure.origin}/open`, status: 200 });
  auditLine(result, { verdict: 'allow', url: `${plain.origin}/open`, status: 200 });
  assert.ok(!JSON.stringify(result).includes(PASSWORD), 'the password is said nowhere');
});

test('a corporate proxy that refuses the credentials is named in a 502, without them', async () => {
  await using corporate = await startCorporateProxy();
  await using site = await startSite();
  const policy = allowing(`domain: "${site.name}"\n    port: ${site.port}`);
  const flags = ['--upstream-proxy', `http://corp:wrong-battery@127.0.0.1:${corporate.port}`];
  const result = await behindBoundary({ policy, flags }, 'curl', '-sS', `${site.origin}/open`);
  assert.match(result.stdout, /upstream proxy|corporate proxy/i, told(result));
  assert.equal(site.bytes(), 0);
  auditLine(result, { verdict: 'allow', status: 502, error: 'upstream-proxy' });
  assert.ok(!JSON.stringify(result).includes('wrong-battery'), 'the password is said nowhere');
});

test('behind a corporate proxy a rule that needs addresses beside a name does not load', async () => {
  await using site = await startSite();
  const flags = ['--upstream-proxy', 'http://127.0.0.1:9'];
  const result = await behindBoundary({ policy: allowing(site.rule), flags }, 'true');
  assert.notEqual(result.code, 0, told(result));
  assert.match(result.stderr, /policy\.yaml:\d+:\d+: .*cidr.*upstream-proxy|policy\.yaml:\d+:\d+: .*proxy/);
});
