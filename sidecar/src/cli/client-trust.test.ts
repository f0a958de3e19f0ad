import assert from 'node:assert/strict';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createAuthority } from '../certificates/create-authority.ts';
import { writeClientTrust } from './client-trust.ts';

test('files are replaced whole: a link that stands in the place of one leads nowhere', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-trust-'));
  const elsewhere = join(directory, 'elsewhere');
  writeFileSync(elsewhere, 'untouched');
  const names = ['bundle.pem', 'ca.pem', 'truststore.jks', 'wgetrc'];
  for (const name of names) symlinkSync(elsewhere, join(directory, name));
  writeClientTrust(directory, createAuthority(), []);
  assert.equal(readFileSync(elsewhere, 'utf8'), 'untouched');
  for (const name of names) {
    const found = lstatSync(join(directory, name));
    assert.ok(found.isFile(), name);
    assert.equal(found.mode & 0o777, 0o644);
  }
  assert.deepEqual(readdirSync(directory).sort(), [...names, 'elsewhere'].sort());
});
