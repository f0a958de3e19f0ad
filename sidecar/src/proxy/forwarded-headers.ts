import type { Injection } from '../policy/types.ts';

/** RFC 9110 section 7.6.1 and its ancestors: for the next hop alone, never passed on. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** Tokens of Connection that name no further header. */
const PLAIN_TOKENS: ReadonlySet<string> = new Set(['', 'close', 'keep-alive', 'upgrade', 'te']);
/** What a Connection header may name in vain: without them a message would be another one. */
const NEVER_NAMED: ReadonlySet<string> = new Set(['host', 'content-length']);
/** See {@link forwardTrailers}. */
const NEVER_TRAILERS: readonly string[] = [
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'trailer',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
];
/** Headers of our own. Neither side may speak in our name. */
const OWN_PREFIX = 'x-boundary-';

/** What of a request's header section goes upstream, and what it says about the body and the answer. */
export interface ForwardedRequest {
  /** name, value, name, value ... in the client's order and case */
  readonly headers: string[];
  readonly contentLength: number | null;
  readonly hasBody: boolean;
  readonly expect: string | null;
  readonly acceptsJson: boolean;
  readonly isGrpc: boolean;
}

/**
 * Makes the header section that goes upstream. Host becomes `host`, the target's own, in the place where the
 * client had it (first where it had none). A header that is injected replaces every copy of the client's.
 * @param rawHeaders name, value ... as node:http and node:http2 have them; pseudo-headers are left out
 * @param http2 the body is then framed by HTTP/2: without Content-Length its length is unknown, not zero
 */
export function forwardRequest(
  rawHeaders: readonly string[],
  host: string,
  injections: readonly Injection[],
  http2: boolean,
): ForwardedRequest {
  const headers: string[] = [];
  let named: Set<string> | null = null;
  let contentLength: number | null = null;
  let chunked = false;
  let expect: string | null = null;
  let acceptsJson = false;
  let isGrpc = false;
  let hostAt = -1;
  let cookieAt = -1;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    const lower = name.toLowerCase();
    switch (lower) {
      case 'host':
        if (hostAt === -1) {
          hostAt = headers.length;
          headers.push(name, host);
        }
        continue;
      case 'content-length':
        contentLength = Number(value);
        break;
      case 'transfer-encoding':
        chunked = true;
        continue;
      case 'connection':
        named = namedBy(value, named);
        continue;
      case 'expect':
        expect = value;
        break;
      case 'accept':
        acceptsJson ||= /\bjson\b/i.test(value);
        break;
      case 'content-type':
        isGrpc = http2 && value.startsWith('application/grpc');
        break;
      case 'cookie':
        // RFC 9113 section 8.2.3: crumbs are joined before they leave HTTP/2.
        if (http2 && cookieAt !== -1) {
          headers[cookieAt] += `; ${value}`;
          continue;
        }
        cookieAt = headers.length + 1;
        break;
      default:
        if (HOP_BY_HOP.has(lower) || lower.startsWith(':') || lower.startsWith(OWN_PREFIX)) continue;
    }
    headers.push(name, value);
  }
  let result = hostAt === -1 ? [http2 ? 'host' : 'Host', host, ...headers] : headers;
  if (named !== null || injections.length > 0) {
    const dropped = named ?? new Set<string>();
    for (const injection of injections) dropped.add(injection.header.toLowerCase());
    result = without(result, dropped);
    for (const injection of injections) result.push(injection.header, injection.value);
  }
  // gRPC's servers refuse what does not promise to read trailers; boundary does.
  if (isGrpc) result.push('te', 'trailers');
  const hasBody = chunked || (contentLength ?? 0) > 0;
  return { headers: result, contentLength, hasBody, expect, acceptsJson, isGrpc };
}

/**
 * The trailers of a request that go upstream. Servers that merge them into the header section would take these for
 * what was judged (RFC 9110 section 6.5.1): framing, routing, who asks, which method is meant, and what is injected.
 */
export function forwardTrailers(rawTrailers: readonly string[], injections: readonly Injection[]): string[] {
  const dropped = new Set(NEVER_TRAILERS);
  for (const injection of injections) dropped.add(injection.header.toLowerCase());
  return without(rawTrailers, dropped).filter((_, i, kept) => {
    const name = kept[i - (i % 2)]?.toLowerCase() ?? '';
    return !HOP_BY_HOP.has(name) && !name.startsWith(OWN_PREFIX) && !name.startsWith(':');
  });
}

/**
 * The header section of an answer that goes to the client: without what belonged to the upstream connection,
 * without Alt-Svc (it would lead around this proxy) and without headers in our name.
 * @param keepTrailer whether the client can be sent trailers, so that their announcement may stand
 */
export function forwardResponse(rawHeaders: readonly string[], keepTrailer: boolean): string[] {
  const headers: string[] = [];
  let named: Set<string> | null = null;
  let sized = false;
  let announced = false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    const value = rawHeaders[i + 1] as string;
    const lower = name.toLowerCase();
    if (lower === 'connection') named = namedBy(value, named);
    else if (lower === 'alt-svc' || HOP_BY_HOP.has(lower) || lower.startsWith(OWN_PREFIX)) continue;
    else {
      sized ||= lower === 'content-length';
      announced ||= lower === 'trailer';
      headers.push(name, value);
    }
  }
  // node:http refuses to announce trailers that the framing cannot carry (RFC 9110 section 6.6.2).
  if (announced && (sized || !keepTrailer)) named = new Set(named).add('trailer');
  return named === null ? headers : without(headers, named);
}

/** The Content-Length of an answer; 0 where there is none. */
export function announcedLength(rawHeaders: readonly string[]): number {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 14 && name.toLowerCase() === 'content-length') return Number(rawHeaders[i + 1]);
  }
  return 0;
}

function namedBy(value: string, named: Set<string> | null): Set<string> | null {
  let result = named;
  for (const token of value.toLowerCase().split(',')) {
    const name = token.trim();
    if (PLAIN_TOKENS.has(name) || NEVER_NAMED.has(name)) continue;
    result ??= new Set();
    result.add(name);
  }
  return result;
}

function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const left: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (!names.has((headers[i] as string).toLowerCase()))
      left.push(headers[i] as string, headers[i + 1] as string);
  }
  return left;
}
