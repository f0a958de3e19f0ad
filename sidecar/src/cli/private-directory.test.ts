import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CommandError } from './command-error.ts';
import { makeDirectory } from './private-directory.ts';

const base = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(base, { recursive: true }));

test('a directory is made with its parents, for this user alone, and may be there already', () => {
  const path = join(base, 'a', 'b');
  makeDirectory(path, 'a test');
  makeDirectory(path, 'a test');
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('where none can be made, that is said and not tried for ever', () => {
  writeFileSync(join(base, 'file'), '');
  for (const path of [join(base, 'file'), join(base, 'file', 'x'), '/proc/no-such/x']) {
    assert.throws(
      () => makeDirectory(path, 'a test'),
      (error) =>
        error instanceof CommandError && /^cannot make .* for a test: .*may write$/.test(error.message),
      path,
    );
  }
});
