import type { CertificateAuthority } from './types.ts';

export interface ReplaceableAuthority {
  /** Always the authority in force: connections that are opened from now on get its leaves. */
  readonly authority: CertificateAuthority;
  /** Puts another one in force. Connections that stand keep the leaf that they were opened with. */
  replace(next: CertificateAuthority): void;
}

/** An authority that a process can go on using when its CA is renewed. `stats.minted` counts those of all. */
export function replaceableAuthority(first: CertificateAuthority): ReplaceableAuthority {
  let current = first;
  let mintedBefore = 0;
  return {
    authority: {
      get certificatePem() {
        return current.certificatePem;
      },
      get fingerprint() {
        return current.fingerprint;
      },
      get notAfter() {
        return current.notAfter;
      },
      stats: {
        get minted() {
          return mintedBefore + current.stats.minted;
        },
        get cached() {
          return current.stats.cached;
        },
      },
      contextFor: (host) => current.contextFor(host),
    },
    replace(next) {
      mintedBefore += current.stats.minted;
      current = next;
    },
  };
}
