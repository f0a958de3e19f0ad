import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { told } from '../harness/behind-boundary.ts';
import { boundaryPath, cleanEnvironment, type Ended, runBoundary } from '../harness/boundary.ts';

/** Where a sidecar that takes its policy over a socket keeps what it has, from one start to the next. */
class Home implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'boundary-submitted-'));
  readonly state = join(this.directory, 'state');
  readonly #socket = join(this.directory, 'submit.sock');
  readonly #running = new Set<ChildProcess>();

  /** Starts one, and waits until it says that it is ready. Throws with what it said where it ends first. */
  async start(...more: readonly string[]): Promise<{ said: () => string; stop: () => Promise<void> }> {
    mkdirSync(this.state, { recursive: true });
    const args = ['sidecar', '--submissions', this.#socket, '--state-dir', this.state];
    args.push('--ca-dir', join(this.directory, 'ca'), '--listen', '127.0.0.1:0', '--control', '127.0.0.1:0');
    const child = spawn(boundaryPath, [...args, ...more], {
      env: cleanEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#running.add(child);
    const ended = once(child, 'close');
    let written = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (piece: string) => {
        written += piece;
        if (/boundary: ready; /.test(written)) resolve();
      });
      child.once('close', (code) => reject(new Error(`the sidecar ended with ${code}:\n${written}`)));
    });
    return {
      said: () => written,
      async stop() {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }

  submit(policy: string, ...flags: readonly string[]): Promise<Ended> {
    const path = join(this.directory, 'policy.yaml');
    writeFileSync(path, policy);
    const env = { BOUNDARY_SUBMISSIONS: this.#socket, BOUNDARY_GATE: this.directory };
    return runBoundary(['submit', path, ...flags], { env });
  }

  [Symbol.dispose]() {
    for (const child of this.#running) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const RECORDED = 'audit: { on_failure: deny }\nallow: [a.example]\n';

test('a policy that needs a record of everything is refused where there is none, and never keeps a sidecar from starting', async () => {
  using home = new Home();
  const quiet = await home.start('--log-level', 'warn');
  const refused = await home.submit(RECORDED);
  assert.equal(refused.code, 2, told(refused));
  assert.match(refused.stderr, /^policy\.yaml:1:1: .*on_failure: deny/);
  await quiet.stop();
  const loud = await home.start();
  assert.equal((await home.submit(RECORDED)).code, 0);
  await loud.stop();
  const again = await home.start('--log-level', 'warn');
  assert.match(again.said(), /on_failure: deny[^\n]*\n[^\n]*cannot be put in force; everything is denied/);
  assert.equal((await home.submit('allow: [a.example]\n')).code, 0);
});

test('a corporate proxy is for the sidecar to be told, not for a policy that is handed in', async () => {
  using home = new Home();
  await home.start();
  const refused = await home.submit('upstream_proxy: http://proxy.example:3128\nallow: [a.example]\n');
  assert.equal(refused.code, 2, told(refused));
  assert.match(refused.stderr, /^policy\.yaml:1:1: .*--upstream-proxy or BOUNDARY_UPSTREAM_PROXY/);
});

test('a policy that is in force and could not be kept is said to be so', async () => {
  using home = new Home();
  await home.start();
  rmSync(home.state, { recursive: true });
  const ended = await home.submit('allow: [a.example]\n');
  assert.equal(ended.code, 0, told(ended));
  assert.match(ended.stderr, /^policy\.yaml:1:1: warning: .*in force, but cannot be kept.*ENOENT/);
});

test('a sidecar that cannot start says why to whoever waits for it, and a later one takes that back', async () => {
  using home = new Home();
  let ended: Ended | null = null;
  const waiting = home.submit('allow: [a.example]\n', '--timeout', '60').then((end) => {
    ended = end;
    return end;
  });
  // As an engine starts a container again that ended.
  while (ended === null) {
    await assert.rejects(home.start('--upstream-ca', '/nowhere/ca.pem'), /no such file/);
  }
  ended = await waiting;
  assert.equal(ended.code, 3, told(ended));
  assert.match(
    ended.stderr,
    /the sidecar cannot start: --upstream-ca \/nowhere\/ca\.pem: there is no such file/,
  );
  await home.start();
  assert.equal((await home.submit('allow: [a.example]\n')).code, 0);
});

test('where nobody answers, submit gives up in time and names the socket', async () => {
  using home = new Home();
  const ended = await home.submit('', '--timeout', '0.5');
  assert.equal(ended.code, 3, told(ended));
  assert.match(ended.stderr, /the sidecar does not answer at .*submit\.sock/);
});

test('a gate that cannot run says why to whoever waits for it', async () => {
  using home = new Home();
  // A gate started here would close this machine's namespace: what it leaves behind stands in for it.
  const status = join(home.directory, 'status.json');
  writeFileSync(status, '{"state":"fatal","reason":"no NET_ADMIN"}');
  const later = Date.now() / 1000 + 3_600;
  utimesSync(status, later, later);
  const ended = await home.submit('', '--timeout', '60');
  assert.equal(ended.code, 3, told(ended));
  assert.match(ended.stderr, /the gate cannot run: no NET_ADMIN/);
});
