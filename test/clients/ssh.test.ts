import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
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

const directory = mkdtempSync(join(tmpdir(), 'boundary-ssh-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const path = (name: string) => join(directory, name);
for (const key of ['host', 'client'])
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path(key)]);

/** sshd in inetd mode, one process per connection: it needs no port of its own. */
async function startSshd() {
  mkdirSync('/run/sshd', { recursive: true });
  const { name, address } = await localName();
  const children = new Set<ReturnType<typeof spawn>>();
  let bytes = 0;
  const server = createServer((socket) => {
    const options = [
      'UsePAM=no',
      'StrictModes=no',
      `AuthorizedKeysFile=${path('client.pub')}`,
      'PasswordAuthentication=no',
    ];
    const args = [
      '-i',
      '-e',
      '-f',
      '/dev/null',
      '-h',
      path('host'),
      ...options.flatMap((option) => ['-o', option]),
    ];
    const sshd = spawn('/usr/sbin/sshd', args, { stdio: ['pipe', 'pipe', 'ignore'] });
    children.add(sshd);
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.on('error', () => sshd.kill());
    sshd.stdin.on('error', () => {});
    socket.pipe(sshd.stdin);
    sshd.stdout.pipe(socket);
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return {
    ...addressed(name, address, (server.address() as AddressInfo).port, 'tcp'),
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill();
      server.close();
    },
  };
}

const ssh = (server: { name: string; port: number }, policy: string) =>
  behindBoundary(
    {
      policy,
      env: {
        SSH_HOST: server.name,
        SSH_PORT: String(server.port),
        KEY: path('client'),
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
