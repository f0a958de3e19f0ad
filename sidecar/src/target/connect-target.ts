import { parseWireAuthority } from './host.ts';
import { quote, refuse } from './refusal.ts';
import { authorityOf } from './target-text.ts';
import type { Endpoint, Parsed } from './types.ts';

/**
 * The endpoint of a CONNECT: authority-form with a port (RFC 9112 section 3.2.3). The Host header, where there is
 * one, has to name the same host, and the same port unless it names none: many clients leave it out here.
 * @param rawHeaders name, value, name, value ... as node:http has them
 */
export function connectTarget(requestTarget: string, rawHeaders: readonly string[]): Parsed<Endpoint> {
  const target = parseWireAuthority(requestTarget, null);
  if (!target.ok) return target;
  let seen = false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'host') continue;
    if (seen) return refuse(400, 'The CONNECT has more than one Host header. Send one.');
    seen = true;
    const host = parseWireAuthority(rawHeaders[i + 1] ?? '', target.value.port);
    if (!host.ok) return host;
    if (host.value.host !== target.value.host || host.value.port !== target.value.port) {
      return refuse(
        400,
        `The CONNECT is for ${quote(requestTarget)}, its Host header says ${quote(rawHeaders[i + 1] ?? '')}. Send the same in both.`,
        [target.value.host, host.value.host],
      );
    }
  }
  return target;
}

/**
 * Whether the server name of a ClientHello fits the endpoint of its CONNECT: none is given, or the same.
 * 421 where they differ: opening such a connection would hide which of the two was meant.
 */
export function checkServerName(endpoint: Endpoint, serverName: string | null): Parsed<null> {
  if (serverName === null || serverName === endpoint.host) return { ok: true, value: null };
  return refuse(
    421,
    `The connection is for ${authorityOf(endpoint)}, its TLS server name is ${quote(serverName)}. Connect to the name that is meant.`,
    [endpoint.host, serverName],
  );
}
