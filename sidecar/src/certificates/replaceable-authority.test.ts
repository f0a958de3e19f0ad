import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthority } from './create-authority.ts';
import { replaceableAuthority } from './replaceable-authority.ts';

test('what is handed out comes from the authority in force, and the count goes on', () => {
  const [first, second] = [createAuthority(), createAuthority()];
  const { authority, replace } = replaceableAuthority(first);
  const before = authority.contextFor('a.test');
  assert.equal(authority.fingerprint, first.fingerprint);
  assert.equal(before, first.contextFor('a.test'));
  replace(second);
  assert.equal(authority.fingerprint, second.fingerprint);
  assert.equal(authority.certificatePem, second.certificatePem);
  assert.deepEqual(authority.notAfter, second.notAfter);
  assert.equal(authority.contextFor('a.test'), second.contextFor('a.test'));
  assert.notEqual(authority.contextFor('a.test'), before);
  assert.deepEqual([authority.stats.minted, authority.stats.cached], [2, 1]);
});
