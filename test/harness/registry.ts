import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** An image registry on this machine that wants a login. */
export interface Registry extends AsyncDisposable {
  /** `localhost:PORT`: the engine takes plain HTTP from loopback. */
  readonly host: string;
  /** A DOCKER_CONFIG with the login, and one without. */
  readonly loggedIn: string;
  readonly anonymous: string;
}

/** Debian's docker-registry (the reference registry) on a free port. */
export async function startRegistry(): Promise<Registry> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
  const password = 'open sesame';
  // The registry takes bcrypt alone, which the C library has.
  const salt = `$2y$05$${'boundarytestsaltsalt..'}`;
  const hash = execFileSync('perl', ['-e', 'print crypt($ARGV[0], $ARGV[1])', password, salt], {
    encoding: 'utf8',
  });
  writeFileSync(join(directory, 'htpasswd'), `me:${hash}\n`);
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1
log: { level: info, formatter: json }
storage: { filesystem: { rootdirectory: ${directory}/images } }
http: { addr: "127.0.0.1:0" }
auth: { htpasswd: { realm: test, path: ${directory}/htpasswd } }
`,
  );
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const host = `localhost:${await portOf(child)}`;
  const auth = Buffer.from(`me:${password}`).toString('base64');
  for (const [name, auths] of [
    ['logged-in', { [host]: { auth } }],
    ['anonymous', {}],
  ] as const) {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'config.json'), JSON.stringify({ auths }));
  }
  return {
    host,
    loggedIn: join(directory, 'logged-in'),
    anonymous: join(directory, 'anonymous'),
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close');
      child.kill();
      await closed;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function portOf({ stderr }: ChildProcess): Promise<number> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stderr as NodeJS.ReadableStream })) {
    lines.push(line);
    const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port === undefined) continue;
    stderr?.resume();
    return Number(port);
  }
  throw new Error(`docker-registry did not start:\n${lines.join('\n')}`);
}
