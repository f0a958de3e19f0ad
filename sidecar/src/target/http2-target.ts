import { parseWireAuthority } from './host.ts';
import { finishTarget, splitQuery } from './http-target.ts';
import { parseMethod } from './method.ts';
import { accept, quote, refuse } from './refusal.ts';
import { readRequestHead } from './request-head.ts';
import { authorityOf, defaultPort } from './target-text.ts';
import type { Endpoint, HttpTarget, Parsed } from './types.ts';

const LONGEST_TARGET = 65_536;
/** RFC 9113 section 8.2.2: these belong to a connection, which a stream has none of. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

export interface Http2RequestHead {
  readonly scheme: 'http' | 'https';
  /** name, value, name, value ... with the pseudo-headers, as node:http2 hands them to its `stream` event */
  readonly rawHeaders: readonly string[];
  /** Where the connection goes: one certificate, one host. */
  readonly endpoint: Endpoint;
  readonly serverName: string | null;
}

/**
 * The target of an HTTP/2 request (RFC 9113 section 8.3). Another `:authority` than the connection's is 421;
 * missing, repeated or unknown pseudo-headers, a Host that differs, and connection headers are 400.
 * Extended CONNECT (RFC 8441) becomes the GET that it stands for, with its `:protocol` as the upgrade.
 */
export function http2Target(input: Http2RequestHead): Parsed<HttpTarget> {
  const { endpoint, rawHeaders, scheme } = input;
  const pseudo = readPseudoHeaders(rawHeaders);
  if (!pseudo.ok) return pseudo;
  const {
    ':method': method,
    ':scheme': claimedScheme,
    ':path': target,
    ':authority': authority,
  } = pseudo.value;
  const protocol = pseudo.value[':protocol'];
  if (method === undefined || claimedScheme === undefined || !target) {
    return refuse(
      400,
      'The request lacks :method, :scheme or :path (RFC 9113 section 8.3.1). Send all three.',
    );
  }
  if (target.length > LONGEST_TARGET) {
    return refuse(414, `The :path has ${target.length} characters. At most ${LONGEST_TARGET} are taken.`);
  }
  if (protocol !== undefined && method !== 'CONNECT') {
    return refuse(400, `A :protocol came with ${quote(method)}. It belongs to CONNECT (RFC 8441 section 4).`);
  }
  const judged = parseMethod(protocol === undefined ? method : 'GET');
  if (!judged.ok) return judged;
  if (claimedScheme !== scheme) {
    return refuse(400, `The :scheme is ${quote(claimedScheme)} on a connection that is ${scheme}.`);
  }
  const head = readRequestHead(rawHeaders);
  if (!head.ok) return head;
  const named = checkAuthority(authority ?? null, head.value.host, scheme, endpoint);
  if (!named.ok) return named;
  const upgrade = protocol === undefined ? null : protocol.toLowerCase();
  const split = { scheme, endpoint, ...splitQuery(target) };
  return finishTarget(judged.value, { overrides: head.value.overrides, upgrade }, split, input.serverName);
}

type Pseudo = Partial<Record<':method' | ':scheme' | ':path' | ':authority' | ':protocol', string>>;

function readPseudoHeaders(rawHeaders: readonly string[]): Parsed<Pseudo> {
  const pseudo: Pseudo = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (CONNECTION_HEADERS.has(name)) {
      return refuse(400, `HTTP/2 has no header ${quote(name)} (RFC 9113 section 8.2.2). Leave it out.`);
    }
    if (!name.startsWith(':')) continue;
    switch (name) {
      case ':method':
      case ':scheme':
      case ':path':
      case ':authority':
      case ':protocol':
        if (pseudo[name] !== undefined)
          return refuse(400, `The pseudo-header ${name} came twice. Send it once.`);
        pseudo[name] = rawHeaders[i + 1] as string;
        break;
      default:
        return refuse(
          400,
          `The pseudo-header ${quote(name)} is unknown (RFC 9113 section 8.3). Leave it out.`,
        );
    }
  }
  return accept(pseudo);
}

function checkAuthority(
  authority: string | null,
  host: string | null,
  scheme: 'http' | 'https',
  endpoint: Endpoint,
): Parsed<null> {
  if (authority === null && host === null) {
    return refuse(400, 'The request names no :authority and no Host. Send :authority.');
  }
  for (const text of [authority, host]) {
    if (text === null) continue;
    const named = parseWireAuthority(text, defaultPort(scheme));
    if (!named.ok) return named;
    if (named.value.host !== endpoint.host || named.value.port !== endpoint.port) {
      // Host beside :authority is one request that says two things; :authority alone is a misdirected one.
      return refuse(
        text === authority || authority === null ? 421 : 400,
        `The connection is for ${authorityOf(endpoint)}, the request for ${quote(text)}. Open a connection of its own for it.`,
        [endpoint.host, named.value.host],
      );
    }
  }
  return accept(null);
}
