import { randomBytes } from 'node:crypto';

/**
 * Adds the fields that ask the upstream for an upgrade (RFC 9110 section 7.8). A WebSocket over HTTP/2 has no key
 * (RFC 8441 section 5), HTTP/1.1 wants one.
 */
export function askForUpgrade(headers: string[], protocol: string, http2: boolean): void {
  headers.push('Connection', 'Upgrade', 'Upgrade', protocol);
  const hasKey = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'sec-websocket-key');
  if (http2 && !hasKey) headers.push('Sec-WebSocket-Key', randomBytes(16).toString('base64'));
}
