import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { type RunningBoundary, startBoundary } from '../harness/boundary.ts';

/** A command that says `up`, then the name of each signal it gets; TERM ends it with 7. */
const listener = `
for s in INT HUP QUIT USR1 USR2 WINCH; do trap "echo $s" $s; done
trap 'echo TERM; kill $!; exit 7' TERM
sleep 60 & echo up
while :; do wait $!; done`;

/** Lines of standard output as they come. */
function linesOf(running: RunningBoundary): AsyncIterator<string> {
  const { stdout } = running.process;
  assert.ok(stdout);
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

test('signals reach the command, each once, and its exit code comes back', async () => {
  const running = startBoundary(['--', 'bash', '-c', listener]);
  const lines = linesOf(running);
  assert.equal((await lines.next()).value, 'up');
  for (const name of ['INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'WINCH', 'TERM']) {
    running.process.kill(`SIG${name}` as NodeJS.Signals);
    assert.equal((await lines.next()).value, name);
  }
  assert.equal((await lines.next()).done, true, 'nothing came twice');
  assert.equal((await running.ended).code, 7);
});

test('a command that a forwarded signal kills gives 128 + its number', async () => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    const running = startBoundary(['--', 'sh', '-c', 'echo up; exec sleep 60']);
    assert.equal((await linesOf(running).next()).value, 'up');
    running.process.kill(signal);
    assert.equal((await running.ended).code, code);
  }
});

test('a command that goes on after boundary was killed has no way out', async () => {
  const script = `trap 'curl -sS https://example.org/ 2>&1; echo "curl $?"; kill $!; exit' USR1; sleep 60 & echo $$; while :; do wait $!; done`;
  const running = startBoundary(['--allow', '*', '--', 'bash', '-c', script]);
  const lines = linesOf(running);
  const pid = Number((await lines.next()).value);
  const gone = once(running.process, 'exit');
  running.process.kill('SIGKILL');
  await gone;
  process.kill(pid, 'SIGUSR1');
  assert.match((await lines.next()).value, /Failed to connect to 127\.0\.0\.1 port \d+|Could not connect/);
  assert.equal((await lines.next()).value, 'curl 7');
});
