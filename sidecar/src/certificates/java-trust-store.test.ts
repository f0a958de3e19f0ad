import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createAuthority } from './create-authority.ts';
import { encodeJavaTrustStore, JAVA_TRUST_STORE_PASSWORD, writeJavaTrustStore } from './java-trust-store.ts';
import { bundlePem, splitPem } from './trust-bundle.ts';

const run = promisify(execFile);

test('a trust store begins and ends as the format says', () => {
  const store = encodeJavaTrustStore('', new Date(0));
  assert.equal(store.subarray(0, 12).toString('hex'), 'feedfeed0000000200000000');
  assert.equal(store.length, 12 + 20);
});

test('a bundle is the roots of the variable and the CA, each once', () => {
  const authority = createAuthority();
  const bundle = bundlePem(authority, [authority.certificatePem]);
  const all = splitPem(bundle);
  assert.equal(new Set(all).size, all.length);
  assert.equal(all.filter((pem) => pem === authority.certificatePem).length, 1);
});

const hasKeytool = await run('keytool', ['-help']).then(
  () => true,
  () => false,
);

if (hasKeytool) {
  test('keytool lists every certificate of the bundle', {
    skip: hasKeytool ? false : 'no keytool here',
  }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'boundary-java-'));
    const path = join(dir, 'trust.jks');
    const authority = createAuthority();
    const bundle = bundlePem(authority);
    writeJavaTrustStore(path, bundle);
    const { stdout } = await run('keytool', [
      '-list',
      '-keystore',
      path,
      '-storepass',
      JAVA_TRUST_STORE_PASSWORD,
    ]);
    assert.match(stdout, new RegExp(`contains ${splitPem(bundle).length} entries`));
    assert.ok(stdout.includes(new X509Certificate(authority.certificatePem).fingerprint256));
    rmSync(dir, { recursive: true });
  });
}
