import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { openAuthority, renewAuthority } from './authority-directory.ts';
import { splitPem } from './trust-bundle.ts';

let dir: string;
const at = (name: string) => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'boundary-ca-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

test('a directory without an authority gets one, and keeps it', () => {
  const first = openAuthority(dir);
  assert.deepEqual(readdirSync(dir).sort(), ['bundle.pem', 'ca-key.pem', 'ca.pem']);
  assert.equal(statSync(at('ca-key.pem')).mode & 0o777, 0o600);
  assert.equal(statSync(at('bundle.pem')).mode & 0o777, 0o644);
  assert.equal(readFileSync(at('ca.pem'), 'utf8'), first.certificatePem);
  const bundle = splitPem(readFileSync(at('bundle.pem'), 'utf8'));
  assert.equal(bundle.at(-1), first.certificatePem);
  assert.ok(bundle.length > 1);
  assert.equal(openAuthority(dir).fingerprint, first.fingerprint);
});

test('a missing directory is made', () => {
  assert.ok(openAuthority(at('a/b')).fingerprint);
  assert.ok(existsSync(at('a/b/bundle.pem')));
});

test('renewing puts another authority in its place', () => {
  const first = openAuthority(dir);
  const second = renewAuthority(dir);
  assert.notEqual(second.fingerprint, first.fingerprint);
  assert.equal(openAuthority(dir).fingerprint, second.fingerprint);
  assert.equal(new X509Certificate(readFileSync(at('ca.pem'))).fingerprint256, second.fingerprint);
});

test('an authority that ends within a year is renewed when it is opened', () => {
  const first = openAuthority(dir, { now: () => new Date('2030-01-01T00:00:00Z') });
  const later = (date: string) => openAuthority(dir, { now: () => new Date(date) });
  assert.equal(later('2033-12-30T00:00:00Z').fingerprint, first.fingerprint);
  assert.notEqual(later('2034-01-01T00:00:00Z').fingerprint, first.fingerprint);
});

test('what differs from the key file is written anew', () => {
  const first = openAuthority(dir);
  writeFileSync(at('ca.pem'), 'something else');
  rmSync(at('bundle.pem'));
  openAuthority(dir);
  assert.equal(readFileSync(at('ca.pem'), 'utf8'), first.certificatePem);
  assert.ok(existsSync(at('bundle.pem')));
});

test('a company CA stands in the bundle', () => {
  const company = openAuthority(at('company')).certificatePem;
  openAuthority(at('ours'), { extraRoots: [company] });
  assert.ok(readFileSync(at('ours/bundle.pem'), 'utf8').includes(company));
});

test('a key that cannot be relied on is refused, saying what to do', () => {
  const faults: readonly [what: string, spoil: () => void, message: RegExp][] = [
    ['readable by others', () => chmodSync(at('ca-key.pem'), 0o644), /mode 644.*boundary ca renew/],
    ['empty', () => writeFileSync(at('ca-key.pem'), ''), /no certificate.*Remove it/],
    [
      'without a key',
      () => writeFileSync(at('ca-key.pem'), readFileSync(at('ca.pem'))),
      /cannot be used.*Remove it/,
    ],
    [
      'with the certificate of another',
      () => {
        const key = readFileSync(at('ca-key.pem'), 'utf8').split('-----BEGIN CERT')[0];
        openAuthority(at('other'));
        writeFileSync(at('ca-key.pem'), key + readFileSync(at('other/ca.pem'), 'utf8'));
      },
      /no pair.*Remove it/,
    ],
    [
      'a link',
      () => {
        openAuthority(at('other'));
        rmSync(at('ca-key.pem'));
        symlinkSync(at('other/ca-key.pem'), at('ca-key.pem'));
      },
      /no regular file/,
    ],
  ];
  for (const [what, spoil, message] of faults) {
    rmSync(at('ca-key.pem'), { force: true });
    openAuthority(dir);
    spoil();
    assert.throws(() => openAuthority(dir), message, what);
  }
});
