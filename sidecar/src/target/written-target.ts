import { parseAuthority } from './host.ts';
import { urlTarget } from './http-target.ts';
import { refuse } from './refusal.ts';
import type { Parsed, Target } from './types.ts';

/**
 * The target of a method and a URL as people write them, and as the audit log has them: `http://` and `https://`, and
 * `tcp://HOST:PORT` or `tls://HOST:PORT` for a connection that is passed (its method says nothing: `CONNECT`, say).
 */
export function writtenTarget(method: string, url: string): Parsed<Target> {
  const passed = /^(tcp|tls):\/\/(.*)$/i.exec(url);
  if (passed === null) return urlTarget(method, url);
  const protocol = passed[1]?.toLowerCase() === 'tls' ? 'tls' : 'tcp';
  const place = passed[2] ?? '';
  if (/[/?#]/.test(place)) {
    return refuse(400, `${protocol}:// takes HOST:PORT and no path; only the connection is judged.`);
  }
  const endpoint = parseAuthority(place, protocol === 'tls' ? 443 : null);
  if (!endpoint.ok) return endpoint;
  return { ok: true, value: { kind: 'tunnel', protocol, ...endpoint.value } };
}
