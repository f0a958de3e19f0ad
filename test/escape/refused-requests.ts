/** A request that says two things, or asks for what no rule allows. Authorities and ports stand for themselves in braces. */
export interface Row {
  readonly request: string;
  /** What a client may see. */
  readonly status: number;
  /** A twin that gets through where the policy allows everything here. */
  readonly control?: string;
}

/** `{a}` is the allowed authority, `{f}` the forbidden one, `{ip}` the forbidden one by address. */
export const REFUSED: Record<string, Row> = {
  'another host in the Host header': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 400,
    control: 'GET http://{f}/open/x HTTP/1.1\nHost: {f}\n\n',
  },
  'another host in the request line': {
    request: 'GET http://{f}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
    control: 'GET http://{f}/open/x HTTP/1.1\nHost: {f}\n\n',
  },
  'another port in the Host header': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost: localhost:1\n\n',
    status: 400,
  },
  'an authority as the request line, as the incumbent read it': {
    request: 'GET localhost:{ap}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 400,
  },
  'HTTP/2.0 in the form of HTTP/1': {
    request: 'GET http://{a}/open/x HTTP/2.0\nHost: {a}\n\n',
    status: 400,
    control: 'GET http://{a}/open/x HTTP/1.0\nHost: {a}\n\n',
  },
  'HTTP/0.9 with a header section': {
    request: 'GET http://{a}/open/x HTTP/0.9\nHost: {a}\n\n',
    status: 400,
  },
  'no host but the Host header': {
    request: 'GET /open/x HTTP/1.1\nHost: {f}\n\n',
    status: 400,
  },
  'no host but the Host header, an allowed one': {
    request: 'GET /open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
    control: 'GET http://{a}/open/x HTTP/1.1\nHost: {a}\n\n',
  },
  'two Host headers': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost: {a}\nHost: {f}\n\n',
    status: 400,
  },
  'a list in the Host header': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost: {a}, {f}\n\n',
    status: 400,
  },
  'a folded Host header': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost: {a}\n {f}\n\n',
    status: 400,
  },
  'a space before the colon of Host': {
    request: 'GET http://{a}/open/x HTTP/1.1\nHost : {f}\nHost: {a}\n\n',
    status: 400,
  },
  'user information that looks like the allowed host': {
    request: 'GET http://{a}@{f}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 400,
  },
  'user information and a password that look like the allowed host': {
    request: 'GET http://localhost:80@{f}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 400,
  },
  'a backslash before an at sign': {
    request: 'GET http://{f}\\@{a}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a fragment that ends in the allowed host': {
    request: 'GET http://{f}#@{a}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a tab in the request line': {
    request: 'GET http://{a}/open/x\thttp://{f}/ HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'two spaces in the request line': {
    request: 'GET http://{a}/open/x http://{f}/ HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a scheme of another kind': {
    request: 'GET ftp://{a}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a host in a spelling of its own: empty': {
    request: 'GET http:///open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a host with an escape in it': {
    request: 'GET http://loc%61lhost:{ap}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a host with letters beyond ASCII': {
    request: 'GET http://l\xf6calhost:{ap}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a host with a double dot at its end': {
    request: 'GET http://localhost..:{ap}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'a port of zero': { request: 'GET http://localhost:0/open/x HTTP/1.1\n\n', status: 400 },
  'a port beyond 65535': { request: 'GET http://localhost:65616/open/x HTTP/1.1\n\n', status: 400 },
  'a port with a sign': { request: 'GET http://localhost:+{ap}/open/x HTTP/1.1\n\n', status: 400 },
  'a name that no rule has': {
    request: 'GET http://{f}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 403,
    control: 'GET http://{f}/open/x HTTP/1.1\nHost: {f}\n\n',
  },
  'an address, where rules have names alone': {
    request: 'GET http://{ip}/open/x HTTP/1.1\nHost: {ip}\n\n',
    status: 403,
    control: 'GET http://{ip}/open/x HTTP/1.1\nHost: {ip}\n\n',
  },
  'the address of an allowed name, with that name as Host': {
    request: 'GET http://127.0.0.1:{ap}/open/x HTTP/1.1\nHost: {a}\n\n',
    status: 400,
  },
  'another port of an allowed name': {
    request: `GET http://localhost:{fp}/open/x HTTP/1.1\n\n`,
    status: 403,
  },
  'https on a port that is allowed, in clear text': {
    request: 'GET https://{f}/open/x HTTP/1.1\nHost: {f}\n\n',
    status: 403,
  },
  'a path beside the allowed one': {
    request: 'GET http://{a}/admin HTTP/1.1\n\n',
    status: 403,
    control: 'GET http://{a}/admin HTTP/1.1\n\n',
  },
  'a path above the allowed one': { request: 'GET http://{a}/open HTTP/1.1\n\n', status: 403 },
  'a path in capitals': { request: 'GET http://{a}/OPEN/x HTTP/1.1\n\n', status: 403 },
  'dot segments': { request: 'GET http://{a}/open/../admin HTTP/1.1\n\n', status: 400 },
  'dot segments, escaped': { request: 'GET http://{a}/open/%2e%2e/admin HTTP/1.1\n\n', status: 400 },
  'dot segments, half escaped': { request: 'GET http://{a}/open/.%2E/admin HTTP/1.1\n\n', status: 400 },
  'dot segments, escaped twice': {
    request: 'GET http://{a}/open/%252e%252e/admin HTTP/1.1\n\n',
    status: 400,
  },
  'dot segments, escaped letter by letter': {
    request: 'GET http://{a}/open/%25%32%65%25%32%65/admin HTTP/1.1\n\n',
    status: 400,
  },
  'dot segments set apart by %2F': {
    request: 'GET http://{a}/open/x%2f..%2fadmin HTTP/1.1\n\n',
    status: 400,
  },
  'dot segments set apart by a backslash': {
    request: 'GET http://{a}/open/..\\admin HTTP/1.1\n\n',
    status: 400,
  },
  'dot segments set apart by %5C': { request: 'GET http://{a}/open/..%5cadmin HTTP/1.1\n\n', status: 400 },
  'dot segments with parameters': { request: 'GET http://{a}/open/..;x=y/admin HTTP/1.1\n\n', status: 400 },
  'dot segments in overlong UTF-8': {
    request: 'GET http://{a}/open/%c0%ae%c0%ae/admin HTTP/1.1\n\n',
    status: 400,
  },
  'a dot segment at the end': { request: 'GET http://{a}/open/x/.. HTTP/1.1\n\n', status: 400 },
  'NUL in the path': { request: 'GET http://{a}/open/x%00 HTTP/1.1\n\n', status: 400 },
  'a line break in the path': {
    request: 'GET http://{a}/open/x%0d%0aX-Y:%20z HTTP/1.1\n\n',
    status: 400,
  },
  'a broken escape': { request: 'GET http://{a}/open/%zz HTTP/1.1\n\n', status: 400 },
  'a denied path': { request: 'GET http://{a}/open/secret/x HTTP/1.1\n\n', status: 403 },
  'a denied path in capitals': { request: 'GET http://{a}/open/SECRET/x HTTP/1.1\n\n', status: 403 },
  'a denied path with two slashes': { request: 'GET http://{a}/open//secret/x HTTP/1.1\n\n', status: 403 },
  'a denied path with an escaped slash': {
    request: 'GET http://{a}/open/secret%2Fx HTTP/1.1\n\n',
    status: 403,
  },
  'a denied path with parameters': { request: 'GET http://{a}/open/secret;v=1/x HTTP/1.1\n\n', status: 403 },
  'a denied path escaped': { request: 'GET http://{a}/open/%73ecret/x HTTP/1.1\n\n', status: 403 },
  'a method that is not allowed': {
    request: 'DELETE http://{a}/open/x HTTP/1.1\n\n',
    status: 403,
    control: 'DELETE http://{a}/open/x HTTP/1.1\n\n',
  },
  'a method in small letters': { request: 'delete http://{a}/open/x HTTP/1.1\n\n', status: 400 },
  'an unknown method': { request: 'FETCH http://{a}/open/x HTTP/1.1\n\n', status: 400 },
  'a method in X-HTTP-Method-Override': {
    request: 'POST http://{a}/open/x HTTP/1.1\nX-HTTP-Method-Override: DELETE\nContent-Length: 0\n\n',
    status: 403,
    control: 'POST http://{a}/open/x HTTP/1.1\nX-HTTP-Method-Override: DELETE\nContent-Length: 0\n\n',
  },
  'a method in X-Method-Override, in small letters': {
    request: 'POST http://{a}/open/x HTTP/1.1\nx-method-override: delete\nContent-Length: 0\n\n',
    status: 403,
  },
  'a method in X-HTTP-Method, beside an allowed one': {
    request:
      'POST http://{a}/open/x HTTP/1.1\nX-HTTP-Method: GET\nX-HTTP-Method: DELETE\nContent-Length: 0\n\n',
    status: 403,
  },
  'a list of methods in an override': {
    request: 'POST http://{a}/open/x HTTP/1.1\nX-HTTP-Method: GET, DELETE\nContent-Length: 0\n\n',
    status: 400,
  },
  'a method override that Connection would have removed': {
    request:
      'POST http://{a}/open/x HTTP/1.1\nConnection: X-HTTP-Method\nX-HTTP-Method: DELETE\nContent-Length: 0\n\n',
    status: 403,
  },
  'a method override with underscores': {
    request: 'POST http://{a}/open/x HTTP/1.1\nX_HTTP_Method_Override: DELETE\nContent-Length: 0\n\n',
    status: 403,
  },
  'OPTIONS for the whole server': { request: 'OPTIONS * HTTP/1.1\nHost: {a}\n\n', status: 400 },
};
