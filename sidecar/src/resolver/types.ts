/** Looks names up for the sidecar's own dials. It judges nothing: policy.judgeAddress does, per address. */
export interface Resolver {
  /** The addresses of a fresh cache entry, at once, or undefined. For the hot path. */
  cached(name: string): readonly string[] | undefined;
  /**
   * The addresses of `name` (canonical text, as the system orders them, never empty).
   * Concurrent questions for one name share a lookup. Throws ResolveError.
   */
  lookup(name: string): Promise<readonly string[]>;
  close(): void;
}

export type ResolveErrorKind = 'not-found' | 'no-address' | 'timeout' | 'failure';
