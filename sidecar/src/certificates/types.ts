import type { SecureContext } from 'node:tls';

/** The boundary's own certificate authority. */
export interface CertificateAuthority {
  /** PEM of the CA certificate. */
  readonly certificatePem: string;
  /** sha256 fingerprint of the CA certificate, hex with colons. */
  readonly fingerprint: string;
  readonly notAfter: Date;
  /**
   * A context holding a leaf for exactly this host (name or address, canonical), from a bounded LRU; leaves are
   * renewed before they end. Synchronous: signing costs well under a millisecond.
   */
  contextFor(host: string): SecureContext;
  /** How many leaves were minted, and how many stand in the cache. For metrics. */
  readonly stats: { readonly minted: number; readonly cached: number };
}
