import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';

/** An sshd of this machine that lets its own user in with one key. */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  /** The file of the private key that it lets in. */
  readonly clientKey: string;
  /** Octets received so far. */
  bytes(): number;
}

/** Starts sshd on a free port of every address, in inetd mode: one process per connection, which needs no port. */
export async function startSshServer(directory: string): Promise<SshServer> {
  const path = (name: string) => join(directory, name);
  for (const key of ['host', 'client']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path(key)]);
  }
  mkdirSync('/run/sshd', { recursive: true });
  const children = new Set<ReturnType<typeof spawn>>();
  let bytes = 0;
  const server = createServer((socket) => {
    const options = [
      'UsePAM=no',
      'StrictModes=no',
      `AuthorizedKeysFile=${path('client.pub')}`,
      'PasswordAuthentication=no',
    ].flatMap((option) => ['-o', option]);
    const args = ['-i', '-e', '-f', '/dev/null', '-h', path('host'), ...options];
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
    port: (server.address() as AddressInfo).port,
    clientKey: path('client'),
    bytes: () => bytes,
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill();
      server.close();
    },
  };
}
