/** `boundary run --isolation container`: terminals and signals. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { auditLines, boundaryPath, cleanEnvironment, type RunningBoundary } from '../harness/boundary.ts';
import {
  endContained,
  IN_WORKSPACE,
  objectsOf,
  objectsWith,
  partStarted,
  prepareContainers,
  startContained,
} from '../harness/contained.ts';
import { openTerminal, type Terminal } from '../harness/terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));
before(prepareContainers);
after(endContained);

const home = { HOME: directory, XDG_STATE_HOME: join(directory, 'state') };

const terminals = new Set<Terminal>();
after(() => {
  for (const terminal of terminals) terminal.process.kill();
});

/** A terminal that is ended with this file. */
function opened(command: string, env: NodeJS.ProcessEnv): Terminal {
  const terminal = openTerminal(command, env);
  terminals.add(terminal);
  return terminal;
}

/** boundary in a terminal of 33 rows and 77 columns. Before it the terminal's own name is shown. */
function inTerminal(command: string, before = '') {
  const line = `stty rows 33 cols 77; tty; ${before} exec ${boundaryPath} ${IN_WORKSPACE.join(' ')} --allow github.com -- ${command}`;
  return opened(line, { ...home, TERM: 'vt100' });
}

/** Lines of standard output as they come. */
function linesOf(running: RunningBoundary): AsyncIterator<string> {
  const { stdout } = running.process;
  assert.ok(stdout);
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

describe('a terminal', { concurrency: 2 }, () => {
  test("is the command's: its size, its kind, changes of its size; denials go to the file, one line follows", async () => {
    const script = `trap "stty size" WINCH; test -t 0 -a -t 1 -a -t 2; until test "$(stty size)" != "0 0"; do :; done; stty size; echo "kind $TERM"
curl -s -o /dev/null -w 'got %{http_code}\\n' http://denied.example/
echo ready; until read -r -t 1 line; do :; done; echo "read $line"; exit 5`;
    const terminal = inTerminal(`bash -c '${script.replaceAll("'", `'"'"'`)}'`);
    await terminal.shows(/33 77\nkind vt100\ngot 403\nready\n/);
    const name = /^(\/dev\/pts\/\d+)\n/.exec(terminal.screen())?.[1] ?? '';
    execFileSync('stty', ['-F', name, 'rows', '44', 'cols', '99']);
    await terminal.shows(/44 99\n/);
    terminal.type('typed\r');
    await terminal.shows(/read typed\n/);
    assert.equal(await terminal.ended, 5);
    const summary = /^boundary: 0 requests allowed, 1 denied; log: (.*\.jsonl)$/m.exec(terminal.screen());
    assert.ok(summary, terminal.screen());
    assert.doesNotMatch(terminal.screen(), /DENY/);
    assert.ok(auditLines(summary[1] ?? '').some(({ url }) => url === 'http://denied.example/'));
  });

  test('^C ends the command, not boundary, and the terminal is as it was', async () => {
    const terminal = opened(
      `stty -a >${directory}/before; ${boundaryPath} ${IN_WORKSPACE.join(' ')} --allow github.com -- bash -c 'echo up; exec sleep 1000'; echo "code $?"; stty -a >${directory}/after`,
      home,
    );
    await terminal.shows(/up\n/);
    terminal.type('\x03');
    await terminal.shows(/boundary: 0 requests allowed, 0 denied; log: /);
    await terminal.shows(/code 130\n/);
    assert.equal(await terminal.ended, 0);
    execFileSync('cmp', [join(directory, 'before'), join(directory, 'after')]);
  });

  test('every key reaches the command, those that detach docker too', async () => {
    const terminal = inTerminal("bash -c 'stty raw -echo; echo up; head -c 6 | od -An -tx1; exit 3'");
    await terminal.shows(/up/);
    terminal.type('\x10\x11\x1a\x1c\x04q');
    await terminal.shows(/10 11 1a 1c 04 71/);
    assert.equal(await terminal.ended, 3);
  });
});

test('a terminal that is closed ends the command, and nothing is left', async () => {
  const terminal = inTerminal(`sh -c 'echo up; exec sleep 1000'`, 'echo "pid $$";');
  await terminal.shows(/up\n/);
  const pid = /^pid (\d+)$/m.exec(terminal.screen())?.[1] ?? '';
  assert.equal(objectsWith(`boundary.pid=${pid}`).length, 10);
  terminal.process.kill('SIGKILL');
  await promisify(execFile)('tail', ['--pid', pid, '--follow', '/dev/null']);
  assert.deepEqual(objectsWith(`boundary.pid=${pid}`), []);
});

describe('signals', { concurrency: 2 }, () => {
  test('reach the command, each once, and its exit code comes back', async () => {
    const listener = `for s in INT HUP QUIT USR1 USR2; do trap "echo $s" $s; done
trap 'echo TERM; kill $!; exit 7' TERM
sleep 1000 & echo up
while :; do wait $!; done`;
    const running = startContained(['--log-level', 'error', '--', 'bash', '-c', listener], { env: home });
    const lines = linesOf(running);
    assert.equal((await lines.next()).value, 'up');
    for (const name of ['INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'TERM']) {
      running.process.kill(`SIG${name}` as NodeJS.Signals);
      assert.equal((await lines.next()).value, name);
    }
    assert.equal((await lines.next()).done, true, 'nothing came twice');
    assert.equal((await running.ended).code, 7);
  });

  test('one that the command does not catch ends it with 128 + its number', async () => {
    const running = startContained(['--', 'sh', '-c', 'echo up; exec sleep 1000'], { env: home });
    assert.equal((await linesOf(running).next()).value, 'up');
    running.process.kill('SIGTERM');
    assert.equal((await running.ended).code, 143);
    assert.deepEqual(objectsOf(running), []);
  });

  test('one that comes during the start ends it, and what was made is removed', async () => {
    const running = startContained(['--', 'touch', '/tmp/ran'], { env: home });
    await partStarted(running, 'netns');
    running.process.kill('SIGINT');
    const { code, stderr } = await running.ended;
    assert.equal(code, 130, stderr);
    assert.deepEqual(objectsOf(running), []);
  });

  test('a reader that goes away ends a command that writes on', async () => {
    const flags = [...IN_WORKSPACE, '--log-level', 'error', '--', 'yes'].join(' ');
    const script = `${boundaryPath} ${flags} | head -n 1; echo "${'$'}{PIPESTATUS[0]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', script], {
      env: { ...cleanEnvironment(), ...home },
    });
    assert.equal(stdout, 'y\n141\n');
  });
});
