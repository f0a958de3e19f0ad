import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ownerLabels, ownerState, thisOwner } from './owner.ts';

const here = thisOwner();
const labels = ownerLabels(here);

test('this process lives', () => {
  assert.equal(here.pid, process.pid);
  assert.equal(ownerState(labels, here), 'alive');
});

test('another process with the same id is not the owner', () => {
  const earlier = { ...labels, 'boundary.started': String(Number(here.started) - 1) };
  assert.equal(ownerState(earlier, here), 'gone');
});

test('a process that was killed is gone, also while nobody has asked for its end', async () => {
  // The shell never waits for its child, which stays a zombie.
  const shell = spawn('bash', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = await once(shell.stdout, 'data');
    const pid = Number(String(line));
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const theirs = ownerLabels({ ...here, pid, started });
    assert.equal(ownerState(theirs, here), 'alive');
    process.kill(pid, 'SIGKILL');
    while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await new Promise(setImmediate);
    assert.equal(ownerState(theirs, here), 'gone');
  } finally {
    shell.kill('SIGKILL');
    await once(shell, 'close');
  }
});

test('an id that no process has is gone', async () => {
  const child = spawn('true');
  await once(child, 'close');
  assert.equal(ownerState({ ...labels, 'boundary.pid': String(child.pid) }, here), 'gone');
});

test('what another machine, boot or pid namespace says cannot be told', () => {
  for (const other of [
    { ...labels, 'boundary.boot': 'another' },
    { ...labels, 'boundary.pid_namespace': 'pid:[1]' },
    { ...labels, 'boundary.pid': '-1' },
    { ...labels, 'boundary.pid': 'x' },
    {},
  ]) {
    assert.equal(ownerState(other, here), 'elsewhere');
  }
});
