import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { directoriesOf, watchFile } from './file-watch.ts';

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'boundary-test-')));
after(() => rmSync(directory, { recursive: true, force: true }));
const path = (...names: string[]) => join(directory, ...names);

test('the directories of a file are those of every link on the way to it', () => {
  mkdirSync(path('mount', '..1'), { recursive: true });
  writeFileSync(path('mount', '..1', 'p.yaml'), '');
  symlinkSync('..1', path('mount', '..data'));
  symlinkSync('..data/p.yaml', path('mount', 'p.yaml'));
  symlinkSync(path('mount'), path('alias'));
  assert.deepEqual(directoriesOf(path('mount', '..1', 'p.yaml')), [path('mount', '..1')]);
  assert.deepEqual(directoriesOf(path('mount', 'p.yaml')), [path('mount'), path('mount', '..1')]);
  assert.deepEqual(directoriesOf(path('alias', 'p.yaml')), [directory, path('mount'), path('mount', '..1')]);
  assert.deepEqual(directoriesOf(path('absent', 'p.yaml')), [path('absent')]);
});

test('links in a circle end', () => {
  symlinkSync('b', path('a'));
  symlinkSync('a', path('b'));
  assert.deepEqual(directoriesOf(path('a')), [directory]);
});

test('it looks after a write, a rename over the file, and its return', async () => {
  const file = path('policy.yaml');
  writeFileSync(file, 'one');
  let looked = Promise.withResolvers<void>();
  const stop = watchFile(file, () => looked.resolve());
  const next = async (change: () => void) => {
    looked = Promise.withResolvers<void>();
    change();
    await looked.promise;
  };
  await next(() => writeFileSync(file, 'two'));
  writeFileSync(path('policy.next'), 'three');
  await next(() => renameSync(path('policy.next'), file));
  await next(() => rmSync(file));
  await next(() => writeFileSync(file, 'four'));
  stop();
});
