import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf } from './child.ts';
import { tallyText } from './decision-tally.ts';
import { withDefaultCommand } from './program.ts';
import { inTerminalForeground } from './terminal.ts';

const names = ['run', 'check'];

test('flags before a command mean run; the first word alone decides', () => {
  for (const [given, completed] of [
    [[], ['--help']],
    [['--help'], ['--help']],
    [['--version'], ['--version']],
    [
      ['help', 'run'],
      ['help', 'run'],
    ],
    [
      ['check', 'x'],
      ['check', 'x'],
    ],
    [
      ['--', 'check'],
      ['run', '--', 'check'],
    ],
    [
      ['--allow', 'x', '--', 'y'],
      ['run', '--allow', 'x', '--', 'y'],
    ],
    [
      ['--allow', 'x', '--help'],
      ['run', '--allow', 'x', '--help'],
    ],
    [
      ['-c', 'x', 'check'],
      ['run', '-c', 'x', 'check'],
    ],
    [['curl'], ['curl']],
  ] as const) {
    assert.deepEqual(withDefaultCommand(given, names), completed);
  }
});

test('an end by a signal is 128 plus its number', () => {
  assert.equal(exitCodeOf(0, null), 0);
  assert.equal(exitCodeOf(255, null), 255);
  assert.equal(exitCodeOf(null, 'SIGINT'), 130);
  assert.equal(exitCodeOf(null, 'SIGKILL'), 137);
  assert.equal(exitCodeOf(null, 'SIGTERM'), 143);
});

test('the foreground group is read from stat, whatever the program is called', () => {
  const stat = (name: string, group: number, foreground: number) =>
    `77 (${name}) S 1 ${group} 77 34816 ${foreground} 4194304 0 0`;
  assert.equal(inTerminalForeground(stat('node', 77, 77)), true);
  assert.equal(inTerminalForeground(stat('a) S 1 (b', 77, 77)), true);
  assert.equal(inTerminalForeground(stat('node', 77, 78)), false);
  assert.equal(inTerminalForeground(stat('node', 77, -1)), false);
});

test('the summary counts in words that fit', () => {
  assert.equal(tallyText({ allowed: 1, denied: 0, wouldDeny: 0 }), '1 request allowed, 0 denied');
  assert.equal(
    tallyText({ allowed: 2, denied: 1, wouldDeny: 3 }),
    '2 requests allowed, 3 passed that enforcing would deny, 1 denied',
  );
});
