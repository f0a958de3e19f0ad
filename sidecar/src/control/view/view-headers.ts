import type { RequestHandler } from 'express';

/**
 * What every answer says to a browser. Scripts and styles come from here alone; no text can become markup in a script
 * (Trusted Types); nothing is kept. Coder may show the page in a frame: of this origin where the app has a path, of the
 * deployment's where it has a subdomain. Nothing can be done on the page, so that a frame has nothing to steal a click for.
 * @param deployment the access URL, or null
 */
export function viewHeaders(deployment: () => string | null): RequestHandler {
  return (_request, response, next) => {
    response.set({
      'Content-Security-Policy': [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        `frame-ancestors 'self'${framer(deployment())}`,
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ].join('; '),
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    });
    next();
  };
}

function framer(deployment: string | null): string {
  if (deployment === null || !URL.canParse(deployment)) return '';
  const { protocol, origin } = new URL(deployment);
  return protocol === 'http:' || protocol === 'https:' ? ` ${origin}` : '';
}
