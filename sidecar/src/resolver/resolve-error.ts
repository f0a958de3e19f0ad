import type { ResolveErrorKind } from './types.ts';

/** Why a name has no addresses. Its message is a sentence for people and names the host. */
export class ResolveError extends Error {
  readonly kind: ResolveErrorKind;

  constructor(kind: ResolveErrorKind, message: string) {
    super(message);
    this.name = 'ResolveError';
    this.kind = kind;
  }

  static timeout(name: string, milliseconds: number): ResolveError {
    return new ResolveError(
      'timeout',
      `The name ${name} was not resolved within ${milliseconds / 1000} seconds; is the resolver of this machine reachable?`,
    );
  }

  static noAddress(name: string): ResolveError {
    return new ResolveError('no-address', `The name ${name} exists but has no address.`);
  }

  /** Reads the `code` of a failed dns.lookup (getaddrinfo(3)). */
  static from(name: string, cause: unknown): ResolveError {
    if (cause instanceof ResolveError) return cause;
    const code =
      typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'unknown error';
    switch (code) {
      case 'ENOTFOUND':
        return new ResolveError('not-found', `The name ${name} does not resolve; is it spelled right?`);
      case 'ENODATA':
        return ResolveError.noAddress(name);
      case 'EAI_AGAIN':
        return new ResolveError(
          'failure',
          `The name ${name} was not resolved: this machine's resolver does not answer (EAI_AGAIN).`,
        );
      default:
        return new ResolveError('failure', `The name ${name} was not resolved (${code}).`);
    }
  }
}
