/**
 * What is asked for, in canonical form. A target is made once, by a parser of this folder, and is then the
 * one object that is judged, dialled and logged. Nothing downstream parses a name, a port or a path again.
 */

/** How `Endpoint.host` is to be read. */
export type HostKind = 'name' | 'ipv4' | 'ipv6';

/**
 * A place to connect to.
 * - a name is in A-labels (RFC 5890), lower case, without a trailing dot;
 * - an IPv4 address is four decimal octets; an IPv6 address is RFC 5952 text without brackets or zone.
 */
export interface Endpoint {
  readonly host: string;
  readonly hostKind: HostKind;
  /** 1 to 65535 */
  readonly port: number;
}

/** One HTTP request. */
export interface HttpTarget extends Endpoint {
  readonly kind: 'http';
  readonly scheme: 'http' | 'https';
  /** An upper-case method that Node's HTTP parser knows. */
  readonly method: string;
  /** Methods claimed by X-HTTP-Method-Override and its like, upper case; each must be allowed as well. */
  readonly overrides: readonly string[];
  /** The path after RFC 3986 section 6.2.2 normalisation, `/...` or `*`. This is what is sent upstream. */
  readonly path: string;
  /** The query with its `?`, as it came, or ''. Never part of matching, but for git's `service=`. */
  readonly query: string;
  /** The protocol of an Upgrade or extended CONNECT, lower case (`websocket`), or null. */
  readonly upgrade: string | null;
}

/** A connection whose bytes are passed, not opened: TLS judged by its name, or opaque TCP. */
export interface TunnelTarget extends Endpoint {
  readonly kind: 'tunnel';
  readonly protocol: 'tls' | 'tcp';
}

export type Target = HttpTarget | TunnelTarget;

/** Why no target could be made. Answered with `status`, or by closing the connection where no answer fits. */
export interface Refusal {
  readonly status: 400 | 414 | 421 | 431 | 501;
  /** A sentence for a person: what was found, what was expected, what to do. */
  readonly reason: string;
  /** Every name the client claimed, where names disagreed. */
  readonly claimed: readonly string[];
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };
