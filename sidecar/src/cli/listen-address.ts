import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { ListenAddress } from '../proxy/types.ts';

/**
 * Reads `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`.
 * Throws commander's InvalidArgumentError, whose message follows the flag's name.
 */
export function listenAddress(text: string): ListenAddress {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const bracketed = match?.[1] !== undefined;
  if (host === undefined || (bracketed && isIP(host) !== 6)) {
    throw new InvalidArgumentError(
      'Expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080 (port 0 takes a free one).',
    );
  }
  return { host, port: portNumber(match?.[3] ?? '') };
}

/** As `listenAddress`, or the absolute path of a unix socket. */
export function controlAddress(text: string): ListenAddress | { readonly path: string } {
  return isAbsolute(text) ? { path: text } : listenAddress(text);
}

/** Reads a port to listen on, 0 to 65535. Throws commander's InvalidArgumentError. */
export function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65535) {
    throw new InvalidArgumentError('Expected a port from 1 to 65535, or 0 for a free one.');
  }
  return port;
}

/** `host:port` for people and URLs, with brackets around an IPv6 address. */
export function authorityOf(address: ListenAddress): string {
  return `${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}
