import type { UpstreamErrorKind } from '../../metrics/types.ts';
import type { UpstreamError } from '../upstream-types.ts';

/** An UpstreamError that can be thrown. */
export class UpstreamFailure extends Error implements UpstreamError {
  readonly kind: UpstreamErrorKind;
  readonly status: 502 | 504;
  readonly started: boolean;

  constructor(kind: UpstreamErrorKind, message: string, started = false) {
    super(message);
    this.name = 'UpstreamFailure';
    this.kind = kind;
    this.status = kind === 'timeout' ? 504 : 502;
    this.started = started;
  }
}

/** The `code` of a Node error, or ''. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

const CONNECT_CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection; nothing listens there, or a firewall rejects it',
  EHOSTUNREACH: 'cannot be reached from here (no route to the host)',
  ENETUNREACH: 'cannot be reached from here (no route to its network)',
  ETIMEDOUT: 'did not answer',
  ECONNRESET: 'closed the connection while it was being made',
  EADDRNOTAVAIL: 'cannot be connected to (no local address or port is free)',
  EACCES: 'cannot be connected to (the system forbids it)',
  EPERM: 'cannot be connected to (a firewall on this machine forbids it)',
  EMFILE: 'cannot be connected to (this process has too many open files; raise the limit)',
};

/** Why no TCP connection to `place` came about. */
export function connectFailure(place: string, error: unknown): UpstreamFailure {
  const code = codeOf(error);
  const kind = code === 'ETIMEDOUT' ? 'timeout' : 'connect';
  return new UpstreamFailure(
    kind,
    `${place} ${CONNECT_CAUSES[code] ?? `cannot be connected to (${code || 'unknown error'})`}.`,
  );
}

/** OpenSSL's verification results as Node names them (doc/api/tls.md, X509 certificate error codes). */
const CERTIFICATE_CAUSES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'leads to a self-signed root that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has an issuer that is not trusted here (or an intermediate is missing)',
  UNABLE_TO_GET_ISSUER_CERT: 'has an issuer that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has an issuer that is not trusted here (or an intermediate is missing)',
  CERT_REVOKED: 'was revoked',
  CERT_SIGNATURE_FAILURE: 'has a wrong signature',
  INVALID_CA: 'was issued by a certificate that is no CA',
  INVALID_PURPOSE: 'is not made for a server',
  CERT_UNTRUSTED: 'is not trusted here',
  CERT_REJECTED: 'is rejected here',
  PATH_LENGTH_EXCEEDED: 'has too long a chain',
  CERT_CHAIN_TOO_LONG: 'has too long a chain',
  HOSTNAME_MISMATCH: 'is for another name',
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  ERR_TLS_CERT_ALTNAME_FORMAT: 'has malformed names',
  EE_KEY_TOO_SMALL: 'has too short a key',
  CA_KEY_TOO_SMALL: 'was issued by a CA with too short a key',
  CA_MD_TOO_WEAK: 'is signed with too weak a digest',
};

/** What can be done about it, where the operator can do something. */
function certificateAdvice(code: string): string {
  return /ISSUER|SELF_SIGNED|LEAF_SIGNATURE|UNTRUSTED/.test(code)
    ? ' If that CA is your own, name its file with --upstream-ca.'
    : ' Only the operator of that server can mend it.';
}

/** The names of a certificate that did not fit, as Node reports them, bounded. */
function namesIn(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('cert' in error)) return '';
  const certificate = error.cert;
  if (typeof certificate !== 'object' || certificate === null || !('subjectaltname' in certificate))
    return '';
  return ` (${String(certificate.subjectaltname).slice(0, 200)})`;
}

/** Why the TLS handshake with `place` failed. */
export function handshakeFailure(place: string, error: unknown): UpstreamFailure {
  const code = codeOf(error);
  const cause = CERTIFICATE_CAUSES[code];
  if (cause !== undefined) {
    const names = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? namesIn(error) : '';
    return new UpstreamFailure(
      'certificate',
      `The certificate of ${place} ${cause}${names} [${code}].${certificateAdvice(code)}`,
    );
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return new UpstreamFailure(
      'tls',
      `${place} closed the connection within the TLS handshake; does it speak TLS 1.2 or newer on this port?`,
    );
  }
  const reason = code
    .replace(/^ERR_SSL_/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
  return new UpstreamFailure(
    'tls',
    `The TLS handshake with ${place} failed${reason ? ` (${reason})` : ''}; boundary needs TLS 1.2 or newer there.`,
  );
}

/** A connection that ended before its answer did. */
export function brokenFailure(place: string, error: unknown, started: boolean): UpstreamFailure {
  const code = codeOf(error);
  const how = code && code !== 'ECONNRESET' ? ` (${code})` : '';
  return new UpstreamFailure(
    'reset',
    started
      ? `${place} broke off within its answer${how}.`
      : `${place} closed the connection without an answer${how}; try again.`,
    started,
  );
}
