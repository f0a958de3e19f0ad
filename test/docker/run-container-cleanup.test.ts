/** `boundary run --isolation container`: what is removed, when, and what never. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { ownerLabels, thisOwner } from '../../sidecar/src/isolation/container/owner.ts';
import {
  docker,
  endContained,
  objectsOf,
  objectsWith,
  partStarted,
  prepareContainers,
  runContained,
  startContained,
} from '../harness/contained.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
before(prepareContainers);
after(endContained);

const home = { HOME: directory };
const quiet = ['--log-level', 'error', '--'];

test('what a boundary that was killed left behind is removed at the next start, and a run that lives is not touched', async () => {
  const living = startContained([...quiet, 'sh', '-c', 'echo up; read line; echo "got $line"'], {
    env: home,
    input: null,
  });
  const lines = createInterface({ input: living.process.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();
  assert.equal((await lines.next()).value, 'up');

  const killed = startContained([...quiet, 'sleep', '1000'], { env: home });
  const early = startContained([...quiet, 'sleep', '1000'], { env: home });
  await partStarted(early, 'netns');
  early.process.kill('SIGKILL');
  await partStarted(killed, 'command');
  assert.equal(objectsOf(killed).length, 10);
  killed.process.kill('SIGKILL');
  // From here on every start removes them, of other tests too.
  await Promise.all([killed.ended, early.ended]);

  assert.equal((await runContained([...quiet, 'true'], { env: home })).code, 0);
  assert.deepEqual(objectsOf(killed), []);
  assert.deepEqual(objectsOf(early), []);
  assert.equal(objectsOf(living).length, 10);

  living.process.stdin?.end('on\n');
  assert.equal((await lines.next()).value, 'got on');
  assert.equal((await living.ended).code, 0);
  assert.deepEqual(objectsOf(living), []);
});

test('a run whose process id was given to another process is left over', async () => {
  const owner = thisOwner();
  const made = (id: string, labels: Readonly<Record<string, string>>) => {
    const flags = Object.entries({ ...labels, 'boundary.run': id }).flatMap(([name, value]) => [
      '--label',
      `${name}=${value}`,
    ]);
    docker('volume', 'create', ...flags, `boundary-test-${id}`);
  };
  const [mine, earlier] = [`mine-${owner.pid}`, `earlier-${owner.pid}`];
  made(mine, ownerLabels(owner));
  made(earlier, ownerLabels({ ...owner, started: String(Number(owner.started) - 1) }));
  try {
    await runContained([...quiet, 'true'], { env: home });
    assert.deepEqual(objectsWith(`boundary.run=${earlier}`), []);
    assert.deepEqual(objectsWith(`boundary.run=${mine}`), [`boundary-test-${mine}`]);
  } finally {
    docker('volume', 'rm', '--force', `boundary-test-${mine}`, `boundary-test-${earlier}`);
  }
});

test('with --keep everything stays, stopped, and boundary says how to remove it', async () => {
  const running = startContained(['--keep', '--', 'sh', '-c', 'echo kept > /tmp/file'], { env: home });
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  const id = /kept boundary-([0-9a-f]{8})-\*, stopped; to remove it: (.*)/.exec(stderr);
  assert.ok(id, stderr);
  await runContained([...quiet, 'true'], { env: home });
  assert.equal(objectsOf(running).length, 10, 'the next start leaves it');
  const states = docker('ps', '--all', '--format', '{{.State}}', '--filter', `label=boundary.run=${id[1]}`);
  assert.deepEqual([...new Set(states.split('\n'))], ['exited']);
  assert.match(docker('cp', `boundary-${id[1]}-command:/tmp/file`, '-'), /kept/);
  execFileSync('sh', ['-c', id[2] ?? 'false'], { stdio: 'ignore' });
  assert.deepEqual(objectsOf(running), []);
});

test('a part that is killed comes back, and the command does not notice', async () => {
  const script =
    'echo up; read line; curl -s -o /dev/null -w "%{http_code}\\n" --retry 3 http://denied.example/';
  const running = startContained([...quiet, 'sh', '-c', script], { env: home, input: null });
  const lines = createInterface({ input: running.process.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();
  assert.equal((await lines.next()).value, 'up');
  const sidecar = objectsOf(running).find((name) => name.endsWith('-sidecar')) ?? '';
  const pid = Number(docker('inspect', '--format', '{{.State.Pid}}', sidecar));
  process.kill(pid, 'SIGKILL');
  running.process.stdin?.end('go\n');
  assert.equal((await lines.next()).value, '403');
  assert.equal((await running.ended).code, 0);
});
