import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const START_MS = 10_000;

/** A running `boundary sidecar`. */
export interface DemoSidecar {
  readonly auditFile: string;
  /** Runs curl through it and gives what curl printed. */
  curl(arguments_: readonly string[]): Promise<string>;
  metrics(): Promise<string>;
  /** Drains it and waits for its end, so that its audit file is whole. */
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** GET over a unix socket. Rejects while nobody listens there. */
async function get(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    request({ socketPath, path, headers: { host: 'localhost' } }, async (response) => {
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
      resolve({ status: response.statusCode ?? 0, body });
    })
      .on('error', reject)
      .end();
  });
}

/**
 * Starts `boundary sidecar` and waits until it says that it is ready.
 *
 * @param directory where it runs and where its CA, its audit file and its control socket go; holds upstream-ca.pem
 * @param policy name of the policy file there
 * @throws with what it printed, when it ends or is not ready within ten seconds
 */
export async function startDemoSidecar(
  command: string,
  directory: string,
  policy: string,
): Promise<DemoSidecar> {
  const control = join(directory, 'control.sock');
  const auditFile = join(directory, 'audit.jsonl');
  const caDirectory = join(directory, 'ca');
  const proxy = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    command,
    [
      ...['sidecar', '--config', policy, '--listen', proxy, '--control', control, '--audit-file', auditFile],
      ...['--ca-dir', caDirectory, '--upstream-ca', join(directory, 'upstream-ca.pem')],
    ],
    { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  const ended = once(child, 'close');

  const giveUp = Date.now() + START_MS;
  for (;;) {
    const ready = await get(control, '/readyz').catch(() => null);
    if (ready?.status === 200) break;
    if (child.exitCode !== null || Date.now() > giveUp) {
      child.kill('SIGKILL');
      throw new Error(`boundary sidecar did not become ready. It printed:\n${printed}`);
    }
    await delay(50);
  }

  return {
    auditFile,
    async curl(arguments_) {
      const bundle = join(caDirectory, 'bundle.pem');
      const env = { PATH: process.env.PATH, https_proxy: `http://${proxy}`, CURL_CA_BUNDLE: bundle };
      return (await execute('curl', [...arguments_], { env })).stdout;
    },
    async metrics() {
      return (await get(control, '/metrics')).body;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
