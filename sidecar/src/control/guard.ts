import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { RequestHandler } from 'express';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach a listener there: 127.0.0.0/8, ::1 or `localhost` (RFC 6761 section 6.3). */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** The host of a Host header without its port and brackets, lower case; null where there is none or it is malformed. */
export function hostOf(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec((header ?? '').toLowerCase());
  return match?.[1] ?? match?.[2] ?? null;
}

/**
 * Refuses requests whose Host is a name that is not ours: a web page can make its own name resolve to this listener
 * (DNS rebinding) and would then be of one origin with it. An address cannot be rebound, nor can `localhost`.
 */
export const requireOwnHost: RequestHandler = (request, response, next) => {
  const host = hostOf(request.headers.host);
  if (host !== null && (isIP(host) !== 0 || host === 'localhost')) {
    next();
    return;
  }
  response.status(403).json({
    error: 'The Host header names neither an address nor localhost. Use the address of this listener.',
  });
};

/** Requires `Authorization: Bearer TOKEN` (RFC 6750 section 2.1); compares in constant time. */
export function requireToken(token: string): RequestHandler {
  const expected = digest(token);
  return (request, response, next) => {
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), expected)) {
      next();
      return;
    }
    response
      .status(401)
      .set('WWW-Authenticate', 'Bearer realm="boundary control"')
      .json({
        error:
          given === undefined
            ? 'This needs the control token. Send it as "Authorization: Bearer TOKEN".'
            : 'This is not the control token.',
      });
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
