import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { auditLines, boundaryPath, runBoundary } from '../harness/boundary.ts';
import { openTerminal } from '../harness/terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const home = { HOME: directory, XDG_STATE_HOME: join(directory, 'state') };

test('nothing is written to the terminal while a command owns it: denials go to the file, one line follows', async () => {
  // The loop ends when the terminal was drawn over and over without a line of boundary's in between.
  const script = `printf 'size '; stty size; test -t 0 -a -t 1 -a -t 2 && echo terminal
for i in 1 2 3; do curl -s -o /dev/null -w 'got %{http_code}\\n' http://denied.example/$i; done; exit 5`;
  const terminal = openTerminal(
    `stty rows 33 cols 77; exec ${boundaryPath} --allow github.com -- sh -c "$SCRIPT"`,
    {
      ...home,
      SCRIPT: script,
    },
  );
  assert.equal(await terminal.ended, 5);
  const lines = terminal.screen().trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^boundary: isolation is proxy: /);
  assert.deepEqual(lines.slice(1, -1), ['size 33 77', 'terminal', 'got 403', 'got 403', 'got 403']);
  const summary = /^boundary: 0 requests allowed, 3 denied; log: (.*\.jsonl)$/.exec(lines.at(-1) ?? '');
  assert.ok(summary, terminal.screen());
  const log = auditLines(summary[1] ?? '');
  assert.deepEqual(
    log.map(({ verdict, url }) => [verdict, url]),
    [1, 2, 3].map((i) => ['deny', `http://denied.example/${i}`]),
  );
});

test('^C reaches the command once, and boundary stays with it', async () => {
  const script = 'trap "echo caught" INT; echo up; read a; read b; exit 6';
  const terminal = openTerminal(`exec ${boundaryPath} -- bash -c '${script}'`, home);
  await terminal.shows(/up\n/);
  terminal.type('\x03');
  await terminal.shows(/caught\n/);
  terminal.type('one\n');
  terminal.type('two\n');
  assert.equal(await terminal.ended, 6);
  assert.equal(terminal.screen().match(/caught/g)?.length, 1);
});

test('^C ends a command that does not catch it, with 130', async () => {
  const terminal = openTerminal(`exec ${boundaryPath} -- sh -c 'echo up; exec sleep 60'`, home);
  await terminal.shows(/up\n/);
  terminal.type('\x03');
  assert.equal(await terminal.ended, 130);
  assert.match(terminal.screen(), /boundary: 0 requests allowed, 0 denied; log: /);
});

test('^Z stops the command and boundary, fg continues both', async () => {
  const script =
    'trap "echo again; read x; kill $!; echo got \\$x; exit 3" CONT; sleep 1000 & echo up; wait; wait';
  const shell = openTerminal('exec bash --norc --noprofile -i', { ...home, SCRIPT: script });
  await shell.shows(/bash-\S+[#$] /);
  shell.type(`${boundaryPath} -- bash -c "$SCRIPT"\n`);
  await shell.shows(/up\n/);
  shell.type('\x1a');
  await shell.shows(/Stopped/);
  await shell.shows(/bash-\S+[#$] /);
  shell.type('fg\n');
  await shell.shows(/again\n/);
  shell.type('second\n');
  await shell.shows(/got second\n/);
  await shell.shows(/boundary: 0 requests allowed/);
  shell.type('exit 0\n');
  assert.equal(await shell.ended, 0);
});

test('without a terminal the log goes to standard error, as far as --log-level says', async () => {
  const command = ['--', 'sh', '-c', 'curl -s -o /dev/null http://denied.example/; echo done'];
  const warn = await runBoundary(['--allow', 'github.com', ...command], { env: home });
  assert.equal(warn.stdout, 'done\n');
  assert.match(warn.stderr, /DENY +GET http:\/\/denied\.example\/ 403 .*No rule allows/);
  assert.doesNotMatch(warn.stderr, /requests allowed/);
  const quiet = await runBoundary(['--log-level', 'error', '--allow', 'github.com', ...command], {
    env: home,
  });
  assert.equal(quiet.stderr, '');
});

test('--log-dir puts the log in a file of its own for each run, also for two at once', async () => {
  const logs = join(directory, 'logs');
  const args = ['--log-dir', logs, '--', 'sh', '-c', 'curl -s -o /dev/null http://denied.example/'];
  const runs = await Promise.all([runBoundary(args, { env: home }), runBoundary(args, { env: home })]);
  for (const { code, stderr } of runs) {
    assert.equal(code, 0);
    assert.match(stderr, /boundary: 0 requests allowed, 1 denied; log: /);
    assert.doesNotMatch(stderr, /DENY/);
  }
  const files = readdirSync(logs);
  assert.equal(files.length, 2);
  for (const file of files) assert.equal(auditLines(join(logs, file)).length, 1);
});
