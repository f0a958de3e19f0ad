import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AuthorityKeys,
  type AuthorityOptions,
  authorityOf,
  makeAuthorityKeys,
} from './create-authority.ts';
import { bundlePem, splitPem } from './trust-bundle.ts';
import type { CertificateAuthority } from './types.ts';
import { createWhole, writeWhole } from './write-whole.ts';

export interface AuthorityDirectoryOptions extends AuthorityOptions {
  /** More roots for the bundle, as PEM: those of a company's own CA. */
  readonly extraRoots?: readonly string[];
}

const DAY = 86_400_000;
/** A CA with less left is renewed when it is opened, since a sidecar may then run for months. */
const CA_RESERVE = 365 * DAY;

/**
 * Opens the authority of a directory, and makes it where there is none:
 * - `ca-key.pem`, mode 0600: the key, and behind it its certificate. The two are one file so that no crash and no
 *   second process can leave a key with another's certificate;
 * - `ca.pem`, the certificate, and `bundle.pem`, what clients have to trust: written anew whenever they differ.
 *
 * Every file is replaced whole. A CA that ends within a year is renewed.
 * @throws Error that says what to do, where the key is another user's, is readable by others, or cannot be used
 */
export function openAuthority(dir: string, options: AuthorityDirectoryOptions = {}): CertificateAuthority {
  const now = options.now?.() ?? new Date();
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const found = readKeys(dir) ?? createKeys(dir, now);
  const ends = new X509Certificate(found.certificatePem).validToDate.getTime();
  if (ends - now.getTime() < CA_RESERVE) return renewAuthority(dir, options);
  return publish(dir, found, options);
}

/**
 * Puts a new CA in the place of the directory's old one. A sidecar that runs goes on with the old one until it
 * opens the directory again.
 */
export function renewAuthority(dir: string, options: AuthorityDirectoryOptions = {}): CertificateAuthority {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const keys = makeAuthorityKeys(options.now?.() ?? new Date());
  writeWhole(join(dir, 'ca-key.pem'), keyFile(keys), 0o600);
  return publish(dir, keys, options);
}

function publish(dir: string, keys: AuthorityKeys, options: AuthorityDirectoryOptions): CertificateAuthority {
  const authority = authorityOf(keys, options);
  writeIfDifferent(join(dir, 'ca.pem'), keys.certificatePem);
  writeIfDifferent(join(dir, 'bundle.pem'), bundlePem(keys, options.extraRoots));
  return authority;
}

function createKeys(dir: string, now: Date): AuthorityKeys {
  const keys = makeAuthorityKeys(now);
  if (createWhole(join(dir, 'ca-key.pem'), keyFile(keys), 0o600)) return keys;
  // Another process was quicker: its CA is the directory's.
  return readKeys(dir) ?? unusable(join(dir, 'ca-key.pem'), 'it vanished while it was opened');
}

function keyFile(keys: AuthorityKeys): string {
  return keys.key.export({ type: 'pkcs8', format: 'pem' }) + keys.certificatePem;
}

/** The keys in a directory, checked, or null where there are none. */
function readKeys(dir: string): AuthorityKeys | null {
  const path = join(dir, 'ca-key.pem');
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  if (!stat.isFile()) return unusable(path, 'it is no regular file');
  const uid = process.getuid?.();
  if (uid !== undefined && stat.uid !== uid) {
    throw new Error(`${path} belongs to user ${stat.uid}, this is user ${uid}. Run: chown ${uid} ${path}`);
  }
  if ((stat.mode & 0o077) !== 0) {
    throw new Error(
      `${path} can be opened by others (mode ${(stat.mode & 0o777).toString(8)}, expected 600): its key may be known. Run: boundary ca renew --ca-dir ${dir}`,
    );
  }
  const text = readFileSync(path, 'latin1');
  const [certificatePem] = splitPem(text);
  if (certificatePem === undefined) return unusable(path, 'it holds no certificate behind its key');
  const key = parseKey(path, text);
  if (!isP256(key)) return unusable(path, 'its key is no P-256 key');
  if (new X509Certificate(certificatePem).checkPrivateKey(key)) return { certificatePem, key };
  return unusable(path, 'its key and its certificate are no pair');
}

function parseKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    return unusable(path, error instanceof Error ? error.message : String(error));
  }
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

function unusable(path: string, why: string): never {
  throw new Error(
    `${path} cannot be used: ${why}. Remove it to have a new CA made, which clients then have to trust anew.`,
  );
}

function writeIfDifferent(path: string, content: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() && readFileSync(path, 'latin1') === content) return;
  writeWhole(path, content, 0o644);
}
