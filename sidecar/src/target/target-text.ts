import type { Endpoint, HttpTarget, Target } from './types.ts';

/** `host:port`, an IPv6 address in brackets: what CONNECT and people write. */
export function authorityOf(endpoint: Endpoint): string {
  return `${urlHost(endpoint)}:${endpoint.port}`;
}

/** `scheme://host`, with the port where it is not the scheme's own (RFC 6454 section 6.2). */
export function originOf(target: Pick<HttpTarget, 'scheme' | 'host' | 'hostKind' | 'port'>): string {
  const host = urlHost(target);
  return target.port === defaultPort(target.scheme)
    ? `${target.scheme}://${host}`
    : `${target.scheme}://${host}:${target.port}`;
}

/**
 * The URL of a target, for audit and messages, unmasked. A request for `*` has no path (RFC 9112 section 3.2.4);
 * a tunnel is `tls://host:port` or `tcp://host:port`.
 */
export function urlOf(target: Target): string {
  if (target.kind === 'tunnel') return `${target.protocol}://${authorityOf(target)}`;
  return target.path === '*'
    ? originOf(target) + target.query
    : originOf(target) + target.path + target.query;
}

/** 80 or 443. */
export function defaultPort(scheme: 'http' | 'https'): number {
  return scheme === 'http' ? 80 : 443;
}

function urlHost(endpoint: Endpoint): string {
  return endpoint.hostKind === 'ipv6' ? `[${endpoint.host}]` : endpoint.host;
}
