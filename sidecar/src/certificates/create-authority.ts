import { generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';
import {
  encodeCaCertificate,
  encodeLeafCertificate,
  type KeyPair,
  readIssuer,
  toPem,
} from './certificate.ts';
import type { CertificateAuthority } from './types.ts';

export interface AuthorityOptions {
  readonly now?: () => Date;
  /** How many leaves are kept, each with some 10 KiB. */
  readonly cacheSize?: number;
}

/** A CA that can sign: the certificate as PEM, and its key. */
export interface AuthorityKeys {
  readonly certificatePem: string;
  readonly key: KeyObject;
}

const DAY = 86_400_000;
const CA_LIFE = 5 * 365 * DAY;
const LEAF_LIFE = 7 * DAY;
/** A leaf is made anew when less than this is left of it. */
const LEAF_RESERVE = 2 * DAY;
/** Clocks of containers and virtual machines are behind at times. */
const BACKDATED = DAY;
const DEFAULT_CACHE_SIZE = 1000;

/** A new authority whose key never leaves this process. */
export function createAuthority(options: AuthorityOptions = {}): CertificateAuthority {
  return authorityOf(makeAuthorityKeys(options.now?.() ?? new Date()), options);
}

/** A new CA: a P-256 key and a certificate of five years, dated a day back. */
export function makeAuthorityKeys(now: Date): AuthorityKeys {
  const pair = p256();
  const validity = {
    notBefore: new Date(now.getTime() - BACKDATED),
    notAfter: new Date(now.getTime() + CA_LIFE),
  };
  const certificate = encodeCaCertificate(randomBytes(4).toString('hex'), pair, validity);
  return { certificatePem: toPem(certificate), key: pair.privateKey };
}

/**
 * The authority of these keys. All leaves share one key and live seven days, dated a day back, within the CA's
 * own time. All contexts share their session ticket keys, so that a resumed connection needs no signature.
 */
export function authorityOf(keys: AuthorityKeys, options: AuthorityOptions = {}): CertificateAuthority {
  const now = options.now ?? (() => new Date());
  const certificate = new X509Certificate(keys.certificatePem);
  const issuer = readIssuer(certificate.raw, keys.key);
  const leafPair = p256();
  const leafKeyPem = leafPair.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const ticketKeys = randomBytes(48);
  const leaves = new LRUCache<string, { context: SecureContext; renewAt: number }>({
    max: options.cacheSize ?? DEFAULT_CACHE_SIZE,
  });
  const stats = {
    minted: 0,
    get cached() {
      return leaves.size;
    },
  };

  function mint(host: string, at: number): { context: SecureContext; renewAt: number } {
    const notBefore = Math.max(at - BACKDATED, certificate.validFromDate.getTime());
    const notAfter = Math.min(at + LEAF_LIFE, certificate.validToDate.getTime());
    const leaf = encodeLeafCertificate(
      host,
      leafPair.publicKey,
      { notBefore: new Date(notBefore), notAfter: new Date(notAfter) },
      issuer,
    );
    stats.minted++;
    const context = createSecureContext({
      key: leafKeyPem,
      cert: toPem(leaf),
      minVersion: 'TLSv1.2',
      ticketKeys,
      // Without it OpenSSL takes no session of one context into another.
      sessionIdContext: 'boundary',
    });
    return { context, renewAt: notAfter - LEAF_RESERVE };
  }

  return {
    certificatePem: keys.certificatePem,
    fingerprint: certificate.fingerprint256,
    notAfter: certificate.validToDate,
    stats,
    contextFor(host) {
      const at = now().getTime();
      let leaf = leaves.get(host);
      if (leaf === undefined || at >= leaf.renewAt) {
        leaf = mint(host, at);
        leaves.set(host, leaf);
      }
      return leaf.context;
    },
  };
}

function p256(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}
