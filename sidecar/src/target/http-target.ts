import { checkServerName } from './connect-target.ts';
import { parseAuthority, parseWireAuthority } from './host.ts';
import { parseMethod } from './method.ts';
import { normalisePath } from './path.ts';
import { accept, quote, refuse } from './refusal.ts';
import { type RequestHead, readRequestHead } from './request-head.ts';
import { authorityOf, defaultPort } from './target-text.ts';
import type { Endpoint, HttpTarget, Parsed } from './types.ts';

/** Characters, which for a request-target are octets. */
const LONGEST_TARGET = 65_536;
const ABSOLUTE_FORM = /^(https?):\/\/([^/?#]*)/i;

export interface HttpRequestHead {
  /** What the connection speaks: `https` where its TLS was opened here. */
  readonly scheme: 'http' | 'https';
  readonly method: string;
  /** The request-target as it came (RFC 9112 section 3.2). */
  readonly requestTarget: string;
  /** name, value, name, value ... as node:http has them */
  readonly rawHeaders: readonly string[];
  /** Where the connection goes (CONNECT, redirected socket); null on the explicit port, which wants absolute-form. */
  readonly endpoint: Endpoint | null;
  /** The server name of the ClientHello, canonical; null where there was none. */
  readonly serverName: string | null;
}

/** The pieces of a request-target, before its path is normalised. */
interface Split {
  readonly scheme: 'http' | 'https';
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly query: string;
  /** absolute-form carries its own authority, so that an HTTP/1.0 client may leave Host out */
  readonly absolute: boolean;
}

/**
 * The target of an HTTP/1.1 request. Request line, Host, connection and server name have to agree on one scheme,
 * host and port; an absolute-form `https:` on the explicit port is an https target, never sent in clear text.
 * Refused are 400 (ambiguous or malformed), 414 (a target over 64 KiB), 421 (the server name is another host),
 * 501 (an unknown method).
 */
export function httpTarget(input: HttpRequestHead): Parsed<HttpTarget> {
  const method = parseMethod(input.method);
  if (!method.ok) return method;
  const head = readRequestHead(input.rawHeaders);
  if (!head.ok) return head;
  const split = splitTarget(input);
  if (!split.ok) return split;
  const host = checkHost(head.value.host, split.value);
  if (!host.ok) return host;
  return finishTarget(method.value, head.value, split.value, input.serverName);
}

/**
 * The target of a URL that somebody wrote down rather than sent (`boundary explain`): an international host is
 * converted, other letters beyond ASCII are escaped as UTF-8. Everything else is as in {@link httpTarget}.
 */
export function urlTarget(method: string, url: string): Parsed<HttpTarget> {
  const parsedMethod = parseMethod(method);
  if (!parsedMethod.ok) return parsedMethod;
  const authority = ABSOLUTE_FORM.exec(url)?.[0] ?? '';
  const escaped =
    authority +
    url
      .slice(authority.length)
      .toWellFormed()
      .replace(/\P{ASCII}+/gu, encodeURIComponent);
  const split = splitAbsolute(escaped, parseAuthority);
  if (!split.ok) return split;
  return finishTarget(parsedMethod.value, { overrides: [], upgrade: null }, split.value, null);
}

/** Shared with HTTP/2: from agreed pieces to a target. */
export function finishTarget(
  method: string,
  head: Omit<RequestHead, 'host'>,
  split: Omit<Split, 'absolute'>,
  serverName: string | null,
): Parsed<HttpTarget> {
  const named = checkServerName(split.endpoint, serverName);
  if (!named.ok) return named;
  if (head.upgrade === 'websocket' && method !== 'GET') {
    return refuse(400, `A WebSocket begins with GET (RFC 6455 section 4.1), not with ${method}.`);
  }
  const { host, hostKind, port } = split.endpoint;
  const path = parsePath(method, split);
  if (!path.ok) return path;
  if (!/^[\x21\x22\x24-\x7e\x80-\xff]*$/.test(split.query)) {
    return refuse(400, 'The query holds a control character, a space or "#". Escape it as %XX.');
  }
  return accept({
    kind: 'http',
    scheme: split.scheme,
    host,
    hostKind,
    port,
    method,
    overrides: head.overrides,
    path: path.value,
    query: split.query,
    upgrade: head.upgrade,
  });
}

function parsePath(method: string, { path, query }: Pick<Split, 'path' | 'query'>): Parsed<string> {
  // OPTIONS for a URL without a path is about the server (RFC 9112 section 3.2.4).
  const isServerWide = path === '*' || (path === '' && method === 'OPTIONS');
  if (!isServerWide) return normalisePath(path || '/');
  if (method === 'OPTIONS' && query === '') return accept('*');
  return refuse(400, 'The target "*" is for OPTIONS alone, and without a query. Send a path.');
}

function splitTarget(input: HttpRequestHead): Parsed<Split> {
  const { endpoint, requestTarget, scheme } = input;
  if (requestTarget.length > LONGEST_TARGET) {
    return refuse(
      414,
      `The request target has ${requestTarget.length} characters. At most ${LONGEST_TARGET} are taken.`,
    );
  }
  if (requestTarget.startsWith('/') || requestTarget === '*') {
    if (endpoint !== null) return accept({ scheme, endpoint, ...splitQuery(requestTarget), absolute: false });
    return refuse(
      400,
      `This is a proxy, and ${quote(requestTarget)} names no host. Set it as the proxy of your client, which then sends the whole URL.`,
    );
  }
  const split = splitAbsolute(requestTarget, parseWireAuthority);
  if (!split.ok || endpoint === null) return split;
  if (split.value.scheme === scheme && sameEndpoint(split.value.endpoint, endpoint)) return split;
  return refuse(
    400,
    `The connection is ${scheme} to ${authorityOf(endpoint)}, the request line says ${split.value.scheme} to ${authorityOf(split.value.endpoint)}. Send one of them.`,
    [endpoint.host, split.value.endpoint.host],
  );
}

function splitAbsolute(
  url: string,
  parse: (text: string, defaultPort: number) => Parsed<Endpoint>,
): Parsed<Split> {
  const match = ABSOLUTE_FORM.exec(url);
  if (match === null) {
    return refuse(400, `${quote(url)} is no target of a request. Expected a URL with http:// or https://.`);
  }
  const scheme = match[1]?.toLowerCase() === 'https' ? 'https' : 'http';
  const endpoint = parse(match[2] ?? '', defaultPort(scheme));
  if (!endpoint.ok) return endpoint;
  return accept({
    scheme,
    endpoint: endpoint.value,
    ...splitQuery(url.slice(match[0].length)),
    absolute: true,
  });
}

/** Cuts at the first `?`. A `#` is left in and refused with the path or the query it stands in. */
export function splitQuery(text: string): { path: string; query: string } {
  const question = text.indexOf('?');
  return question === -1
    ? { path: text, query: '' }
    : { path: text.slice(0, question), query: text.slice(question) };
}

function checkHost(host: string | null, split: Split): Parsed<null> {
  if (host === null) {
    if (split.absolute) return accept(null);
    return refuse(400, 'The request has no Host header. Send one (RFC 9112 section 3.2).');
  }
  const named = parseWireAuthority(host, defaultPort(split.scheme));
  if (!named.ok) return named;
  if (sameEndpoint(named.value, split.endpoint)) return accept(null);
  return refuse(
    400,
    `The request is for ${authorityOf(split.endpoint)}, its Host header says ${quote(host)}. Send the same in both.`,
    [split.endpoint.host, named.value.host],
  );
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}
