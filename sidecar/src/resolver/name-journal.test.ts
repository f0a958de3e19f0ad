import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type NameUse, openNameJournal } from './name-journal.ts';

const use = (name: string, last: number, seconds = 1_764_000_000): NameUse => ({
  name,
  address: `198.18.1.${last}`,
  seconds,
});

function freshPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'boundary-names-')), 'names');
}

/** A journal that holds these uses, closed. */
function journalOf(uses: readonly NameUse[]): string {
  const path = freshPath();
  const { journal } = openNameJournal(path);
  for (const one of uses) assert.equal(journal.append(one), null);
  journal.close();
  return path;
}

test('what was written is read, in its order', () => {
  const uses = [use('a.example', 1), use('b_b.xn--p1ai', 2, 0), use('a.example', 3, 1_764_000_001)];
  const path = journalOf(uses);
  const again = openNameJournal(path);
  assert.deepEqual([again.uses, again.warnings], [uses, []]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  again.journal.close();
});

test('a use is in the file when it is said to be', () => {
  const path = freshPath();
  const { journal } = openNameJournal(path);
  for (let last = 0; last < 10; last++) {
    journal.append(use('a.example', last));
    assert.equal(readFileSync(path).length, journal.bytes);
    assert.equal(openNameJournal(path).uses.length, last + 1);
  }
  journal.close();
});

test('parts of a second are left out', () => {
  const path = journalOf([use('a', 1, 12.9)]);
  assert.deepEqual(openNameJournal(path).uses, [use('a', 1, 12)]);
});

test('rewriting leaves what was given, and the next use follows it', () => {
  const path = journalOf([use('a', 1), use('b', 2), use('c', 3)]);
  const { journal } = openNameJournal(path);
  assert.equal(journal.rewrite([use('c', 3)]), null);
  assert.equal(journal.append(use('d', 4)), null);
  assert.equal(journal.bytes, statSync(path).size);
  assert.deepEqual(openNameJournal(path).uses, [use('c', 3), use('d', 4)]);
  assert.equal(journal.rewrite([]), null);
  assert.equal(statSync(path).size, 0);
  assert.equal(existsSync(`${path}.new`), false);
  journal.close();
});

test('rewriting leaves no file open', () => {
  const { journal } = openNameJournal(journalOf([use('a', 1)]));
  journal.rewrite([use('a', 1)]);
  const open = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 20; round++) journal.rewrite([use('a', 1)]);
  assert.equal(readdirSync('/proc/self/fd').length, open);
  journal.close();
  assert.equal(readdirSync('/proc/self/fd').length, open - 1);
});

test('what a rewriting that was killed left behind is no hindrance', () => {
  const path = journalOf([use('a', 1)]);
  writeFileSync(`${path}.new`, 'half of it');
  const { journal } = openNameJournal(path);
  assert.equal(journal.rewrite([use('b', 2)]), null);
  assert.deepEqual(openNameJournal(path).uses, [use('b', 2)]);
  journal.close();
});

test('after close nothing is written', () => {
  const path = journalOf([]);
  const { journal } = openNameJournal(path);
  journal.close();
  assert.match(journal.append(use('a', 1)) ?? '', /closed/);
  assert.match(journal.rewrite([use('a', 1)]) ?? '', /closed/);
  assert.deepEqual(openNameJournal(path).uses, []);
});

interface Filled {
  readonly path: string;
  readonly faults: readonly string[];
  /** Names that were said to be written. */
  readonly written: readonly string[];
  readonly rewriting: string | null;
}

/**
 * Writes longer and longer names, then short ones, in a process that may have files of 1 KiB at most: that cuts a write
 * short as a full disk does, and needs no privilege. Rewrites in the end, with more than there is room for.
 */
function fill(): Filled {
  const path = freshPath();
  const program = `
    import { openNameJournal } from ${JSON.stringify(join(import.meta.dirname, 'name-journal.ts'))};
    const { journal } = openNameJournal(${JSON.stringify(path)});
    const faults = [], written = [];
    const uses = Array.from({ length: 40 }, (_, last) => ({
      name: last < 30 ? 'host-' + 'x'.repeat(last) + '.example' : 'a' + last,
      address: '198.18.1.' + last,
      seconds: 1764000000,
    }));
    for (const use of uses) {
      const fault = journal.append(use);
      fault === null ? written.push(use.name) : faults.push(fault);
    }
    console.log(JSON.stringify({ faults, written, rewriting: journal.rewrite(uses) }));`;
  const node = [process.execPath, '--input-type=module', '-e', program];
  const limited = spawnSync('bash', ['-c', 'ulimit -f 1; exec "$@"', 'bash', ...node], { encoding: 'utf8' });
  assert.equal(limited.status, 0, limited.stderr);
  return { path, ...JSON.parse(limited.stdout) };
}

describe('damage', () => {
  const uses = ['alpha.example', 'b', 'gamma.example'].map((name, index) => use(name, index));

  test('a file cut anywhere gives the lines that are whole, and says what is missing', () => {
    const whole = readFileSync(journalOf(uses));
    for (let length = 0; length <= whole.length; length++) {
      const path = freshPath();
      writeFileSync(path, whole.subarray(0, length));
      // A line is whole without its end, too: the checksum says so.
      const lines =
        whole
          .subarray(0, length + 1)
          .toString()
          .split('\n').length - 1;
      const opened = openNameJournal(path);
      assert.deepEqual(opened.uses, uses.slice(0, lines), `cut at ${length}`);
      const clean = length === 0 || whole[length - 1] === 0x0a || whole[length] === 0x0a;
      assert.equal(opened.warnings.length, clean ? 0 : 1, `cut at ${length}`);
      assert.equal(existsSync(`${path}.damaged`), !clean);
      if (!clean) assert.deepEqual(readFileSync(`${path}.damaged`), whole.subarray(0, length));
      // The next use stands on a line of its own, whatever the file ended with.
      assert.equal(opened.journal.append(use('later', 9)), null);
      assert.deepEqual(openNameJournal(path).uses, [...uses.slice(0, lines), use('later', 9)]);
      opened.journal.close();
    }
  });

  test('one changed octet costs one line, two where it was a line end', () => {
    const whole = readFileSync(journalOf(uses));
    for (let place = 0; place < whole.length; place++) {
      for (const octet of [0, 0x0a, 0x20, 0x31, 0x61, 0xff]) {
        if (whole[place] === octet) continue;
        const changed = Buffer.from(whole);
        changed[place] = octet;
        const path = freshPath();
        writeFileSync(path, changed);
        const opened = openNameJournal(path);
        const lost = whole[place] === 0x0a && place < whole.length - 1 ? 2 : 1;
        assert.equal(opened.uses.length, uses.length - lost, `${octet} at ${place}`);
        for (const one of opened.uses) assert.ok(uses.some(({ name }) => name === one.name));
        assert.match(opened.warnings.join(), /damaged: [12] of its lines cannot be read/);
        opened.journal.close();
      }
    }
  });

  test('a page of NULs in the middle, as after a power cut, costs what it covered', () => {
    const many = Array.from({ length: 300 }, (_, index) => use(`n${index}.example`, index % 256));
    const path = journalOf(many);
    const octets = readFileSync(path);
    octets.fill(0, 4096, 8192);
    writeFileSync(path, octets);
    const { uses: left, warnings } = openNameJournal(path);
    assert.ok(left.length > 150 && left.length < 300);
    assert.equal(left.at(-1)?.name, 'n299.example');
    assert.equal(warnings.length, 1);
  });

  test('something else altogether is set aside', () => {
    const path = freshPath();
    writeFileSync(path, Buffer.alloc(100_000, 0x5a));
    const { uses: none, warnings } = openNameJournal(path);
    assert.deepEqual(none, []);
    assert.match(warnings.join(), /is damaged: 1 of its lines.* is in .*\.damaged now/);
  });
});

describe('a disk that will not', () => {
  test('a directory in its place is put aside', () => {
    const path = freshPath();
    mkdirSync(path);
    const { journal, uses, warnings } = openNameJournal(path);
    assert.deepEqual(uses, []);
    assert.match(warnings.join(), /cannot be read \(EISDIR\).*\.damaged now/);
    assert.equal(journal.append(use('a', 1)), null);
    assert.deepEqual(openNameJournal(path).uses, [use('a', 1)]);
    journal.close();
  });

  test('where its directory is missing, each use says so until it is there', () => {
    const path = join(freshPath(), 'deeper', 'names');
    const { journal, warnings } = openNameJournal(path);
    assert.deepEqual(warnings, []);
    assert.match(journal.append(use('a', 1)) ?? '', /cannot be written \(ENOENT\): free space/);
    assert.match(journal.rewrite([use('a', 1)]) ?? '', /\(ENOENT\)/);
    mkdirSync(join(path, '..'), { recursive: true });
    assert.equal(journal.append(use('a', 1)), null);
    assert.deepEqual(openNameJournal(path).uses, [use('a', 1)]);
    journal.close();
  });

  test('where it is full, a line is there whole or not at all', () => {
    const { path, faults, written } = fill();
    assert.ok(written.length > 5);
    assert.match(faults[0] ?? '', /cannot be written \((?:ENOSPC|EFBIG)\): free space on that disk/);
    const { uses, warnings } = openNameJournal(path);
    assert.deepEqual([uses.map(({ name }) => name), warnings], [written, []]);
    assert.ok(statSync(path).size > 900, 'what fits was written');
  });

  test('where it is full, what cannot be rewritten stays as it is', () => {
    const { path, written, rewriting } = fill();
    assert.match(rewriting ?? '', /cannot be made shorter \((?:ENOSPC|EFBIG)\)/);
    assert.equal(existsSync(`${path}.new`), false);
    assert.equal(openNameJournal(path).uses.length, written.length);
  });

  test('a file that was cut behind its back goes on', () => {
    const path = freshPath();
    const { journal } = openNameJournal(path);
    journal.append(use('a', 1));
    truncateSync(path, 0);
    journal.append(use('b', 2));
    assert.deepEqual(openNameJournal(path).uses, [use('b', 2)]);
    journal.close();
  });
});
