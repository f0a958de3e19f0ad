import { METHODS } from 'node:http';
import { accept, quote, refuse } from './refusal.ts';
import type { Parsed } from './types.ts';

const KNOWN: ReadonlySet<string> = new Set(METHODS);
/** RFC 9110 section 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The methods that node:http's parser knows, with a space: how a request begins. */
export const METHOD_STARTS: readonly string[] = METHODS.map((method) => `${method} `);

/**
 * A request's method. Methods are case-sensitive (RFC 9110 section 9.1), so `get` is not GET: 400.
 * What is unknown cannot be judged: 501. CONNECT makes a tunnel and is no request of its own: 400.
 */
export function parseMethod(method: string): Parsed<string> {
  if (method === 'CONNECT') {
    return refuse(
      400,
      'CONNECT came inside a connection that is already open to its host. Send it to the proxy.',
    );
  }
  if (KNOWN.has(method)) return accept(method);
  if (KNOWN.has(method.toUpperCase())) {
    return refuse(
      400,
      `The method ${quote(method)} is not in upper case. Write ${quote(method.toUpperCase())}.`,
    );
  }
  return refuse(
    501,
    `The method ${quote(method)} is unknown. Expected one that is registered, such as GET or POST.`,
  );
}

/** The method that an override header claims, in upper case: servers that honour the header ignore its case. */
export function parseOverride(header: string, value: string): Parsed<string> {
  if (TOKEN.test(value)) return accept(value.toUpperCase());
  return refuse(400, `The header ${header} holds ${quote(value)}. Expected one method, such as PUT.`);
}
