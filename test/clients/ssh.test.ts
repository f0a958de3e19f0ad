import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  addressed,
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  told,
} from '../harness/behind-boundary.ts';
import { localName } from '../harness/local-name.ts';
import { startSshServer } from './ssh-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-ssh-'));
after(() => rmSync(directory, { recursive: true, force: true }));

async function startSshd() {
  const server = await startSshServer(mkdtempSync(join(directory, 'server-')));
  const { name, address } = await localName();
  return Object.assign(server, addressed(name, address, server.port, 'tcp'));
}

const ssh = (server: { name: string; port: number; clientKey: string }, policy: string) =>
  behindBoundary(
    {
      policy,
      env: {
        SSH_HOST: server.name,
        SSH_PORT: String(server.port),
        KEY: server.clientKey,
        SSH_USER: userInfo().username,
      },
    },
    'sh',
    '-c',
    'ssh -T -F /dev/null -i "$KEY" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o "ProxyCommand=nc -X connect -x $(echo $HTTPS_PROXY | cut -c8-) %h %p" -p "$SSH_PORT" "$SSH_USER@$SSH_HOST" "cat | wc -c" < /bin/sh',
  );

test('ssh by ProxyCommand over a tcp rule: a command with its input and output', async (context) => {
  nameClient(context, 'sh', '-c', 'ssh -V 2>&1');
  await using server = await startSshd();
  const result = await ssh(server, allowing(`${server.rule}\n    protocol: tcp`));
  assert.equal(result.stdout.trim(), String(readFileSync('/bin/sh').length), told(result));
  auditLine(result, {
    verdict: 'allow',
    protocol: 'tcp',
    host: server.name,
    url: `tcp://${server.authority}`,
  });
});

for (const { what, rule, said } of [
  {
    what: 'speaks of http alone',
    rule: (server: { rule: string }) => server.rule,
    said: /Received disconnect from .*: boundary denied this connection\. .*protocol: tcp and port: \d+/,
  },
  {
    what: 'leaves out the port',
    rule: (server: { name: string }) => `domain: "${server.name}"`,
    said: /nc: Proxy error: "HTTP\/1\.1 403 Forbidden"/,
  },
]) {
  test(`ssh where the rule ${what}: ssh ends at once and says why, the server receives nothing`, async () => {
    await using server = await startSshd();
    const result = await ssh(server, allowing(rule(server)));
    assert.equal(result.code, 255, told(result));
    assert.match(result.stderr, said);
    assert.equal(server.bytes(), 0);
    auditLine(result, { verdict: 'deny', host: server.name });
  });
}
