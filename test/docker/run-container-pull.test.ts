/** `boundary run --isolation container`: images that the engine does not have. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { boundaryPath, runBoundary, startBoundary } from '../harness/boundary.ts';
import { docker, endContained, prepareContainers } from '../harness/contained.ts';
import { type Registry, startRegistry } from '../harness/registry.ts';
import { openTerminal } from '../harness/terminal.ts';
import { BOUNDARY_IMAGE } from '../setup/boundary-image.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
const LAYERS = ['one', 'two', 'three'];
let registry: Registry;
let image: string;

before(async () => {
  await prepareContainers();
  registry = await startRegistry();
  image = `${registry.host}/boundary-test/layers:1`;
  for (const layer of LAYERS) writeFileSync(join(directory, layer), randomBytes(3_000_000));
  writeFileSync(
    join(directory, 'Dockerfile'),
    `FROM scratch\n${LAYERS.map((name) => `COPY ${name} /\n`).join('')}`,
  );
  docker('build', '--quiet', '--tag', image, directory);
  execFileSync('docker', ['--config', registry.loggedIn, 'push', '--quiet', image], { stdio: 'ignore' });
});
after(async () => {
  await endContained();
  docker('rmi', '--force', image);
  await registry[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

const flags = ['run', '--isolation', 'container', '--boundary-image', BOUNDARY_IMAGE, '--image'];
const home = { HOME: directory };

/** The image has nothing to run: that `true` is not found says that it was there. */
const NOT_FOUND = 127;

test('an image is pulled with the login that docker has, with a line for each layer', async () => {
  docker('rmi', image);
  const { code, stderr } = await runBoundary([...flags, image, '--', 'true'], {
    env: { ...home, DOCKER_CONFIG: registry.loggedIn },
  });
  assert.equal(code, NOT_FOUND, stderr);
  const lines = stderr.split('\n').filter((line) => /pull/.test(line));
  assert.equal(lines[0], `boundary: pulling ${image}`);
  assert.deepEqual(
    lines.slice(1, -1).map((line) => line.replace(/, [\d.]+ of [\d.]+ MB \([0-9a-f]{12}\)$/, '')),
    [1, 2, 3].map((done) => `boundary: pulling ${image}: ${done} of 3 layers`),
  );
  assert.match(lines.at(-2) ?? '', /, 9\.0 of 9\.0 MB \(/);
  assert.equal(lines.at(-1), `boundary: pulled ${image}`);
  const again = await runBoundary([...flags, image, '--', 'true'], { env: home });
  assert.doesNotMatch(again.stderr, /pull/, 'what is there is not asked for again');
});

test('on a terminal one line shows how far it is', async () => {
  docker('rmi', image);
  const terminal = openTerminal(`exec ${boundaryPath} ${[...flags, image].join(' ')} -- true`, {
    ...home,
    DOCKER_CONFIG: registry.loggedIn,
  });
  assert.equal(await terminal.ended, NOT_FOUND);
  const line =
    terminal
      .screen()
      .split('\n')
      .find((text) => text.includes('pulled')) ?? '';
  const shown = line.split('\r\x1b[K');
  assert.ok(shown.length > 2, line);
  assert.match(shown[1] ?? '', /^boundary: pulling .*: \d of \d layers/);
  assert.deepEqual(shown.slice(-1), [`boundary: pulled ${image}`]);
});

test('--log-level error pulls without a word', async () => {
  docker('rmi', image);
  const { code, stderr } = await runBoundary([...flags, image, '--log-level', 'error', '--', 'true'], {
    env: { ...home, DOCKER_CONFIG: registry.loggedIn },
  });
  assert.equal(code, NOT_FOUND);
  assert.doesNotMatch(stderr, /boundary/);
});

test("an image that cannot be had is a fault with the registry's reason and what to do", async () => {
  docker('rmi', image);
  const anonymous = { env: { ...home, DOCKER_CONFIG: registry.anonymous } };
  const refused = await runBoundary([...flags, image, '--', 'true'], anonymous);
  assert.equal(refused.code, 125);
  assert.match(
    refused.stderr,
    /cannot pull localhost:\S+: .*no basic auth credentials; check the name of --image, log in to its registry/,
  );
  const own = await runBoundary(
    [
      'run',
      '--isolation',
      'container',
      '--boundary-image',
      `${registry.host}/absent:1`,
      '--image',
      'x',
      '--',
      'true',
    ],
    { env: { ...home, DOCKER_CONFIG: registry.loggedIn } },
  );
  assert.equal(own.code, 125);
  assert.match(
    own.stderr,
    /cannot pull localhost:\S+\/absent:1: .*not found.*name a mirror of it with --boundary-image/,
  );
  execFileSync('docker', ['--config', registry.loggedIn, 'pull', '--quiet', image], { stdio: 'ignore' });
});

test('a signal ends a pull that does not come on', async () => {
  const silent = createServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const connected = once(silent, 'connection');
  const running = startBoundary([...flags, `localhost:${port}/x:1`, '--', 'true'], { env: home });
  const [socket] = await connected;
  running.process.kill('SIGTERM');
  const { code, stderr } = await running.ended;
  assert.equal(code, 143, stderr);
  socket.destroy();
  silent.close();
});
