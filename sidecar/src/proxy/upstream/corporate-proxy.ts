/** The corporate proxy that everything goes through, from `http://user:password@host:port`. */
export interface CorporateProxy {
  readonly host: string;
  readonly port: number;
  /** `host:port`, for messages: never the credentials. */
  readonly label: string;
  /** Raw fields that authenticate us: name, value or nothing. */
  readonly authorization: readonly string[];
}

/**
 * Reads the address of a corporate proxy.
 * @throws Error that says what is wrong, without the credentials
 */
export function parseCorporateProxy(text: string): CorporateProxy {
  const wanted = 'Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT.';
  const url = URL.parse(text);
  if (url === null) throw new Error(`The upstream proxy is not a URL. ${wanted}`);
  if (url.protocol !== 'http:') {
    throw new Error(
      `The upstream proxy has the scheme ${url.protocol.slice(0, -1)}, expected http. ${wanted}`,
    );
  }
  if (url.hostname === '' || (url.pathname !== '/' && url.pathname !== '') || url.search || url.hash) {
    throw new Error(`The upstream proxy must be a host and a port, without a path. ${wanted}`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? 80 : Number(url.port);
  let authorization: readonly string[] = [];
  if (url.username !== '' || url.password !== '') {
    let pair: string;
    try {
      pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    } catch {
      throw new Error(
        `The upstream proxy's user or password has a % that starts no escape; write it as %25.`,
      );
    }
    // RFC 7617 section 2
    authorization = ['Proxy-Authorization', `Basic ${Buffer.from(pair).toString('base64')}`];
  }
  return { host, port, label: `${url.hostname}:${port}`, authorization };
}
