import type { UpstreamRequest } from '../upstream-types.ts';
import { UpstreamFailure } from './failure.ts';

/** What is not a field value of RFC 9110 section 5.5, or would become a line break when written as Latin-1. */
const UNSAFE = /[^\t -~\u0080-\u00ff]/;

function field(name: string, value: string): string {
  if (name === '' || UNSAFE.test(name) || UNSAFE.test(value)) {
    throw new UpstreamFailure(
      'protocol',
      `The header ${JSON.stringify(name)} holds a character that HTTP/1.1 cannot carry; nothing was sent.`,
    );
  }
  return `${name}: ${value}\r\n`;
}

/**
 * The head of a request as it goes to the upstream, to be written as Latin-1: the client's fields in their order and
 * case. Length and coding come from `body` and `contentLength`, in the place where the client had them, so that what
 * is announced is what is sent (RFC 9112 section 6).
 * @param prefix `` or, for a proxy, `http://host:port`
 * @param extra further fields, name, value, name, value ...
 * @throws UpstreamFailure where a field cannot be written
 */
export function requestHead(request: UpstreamRequest, prefix: string, extra: readonly string[]): string {
  const { headers, body, contentLength } = request;
  if (UNSAFE.test(request.path) || request.path.includes(' ')) {
    throw new UpstreamFailure('protocol', 'The path holds a character that HTTP/1.1 cannot carry.');
  }
  let head = `${request.method} ${prefix}${request.path} HTTP/1.1\r\n`;
  let framed = false;
  const framing = (): string => {
    if (framed || body === null) return '';
    framed = true;
    return contentLength === null ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${contentLength}\r\n`;
  };
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      // A request without a body may still say `Content-Length: 0`, as POST does.
      if (body === null) head += value === '0' ? field(name, value) : '';
      else if (contentLength === null || framed) head += framing();
      else {
        framed = true;
        head += field(name, String(contentLength));
      }
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      head += framing();
    } else head += field(name, value);
  }
  head += framing();
  for (let i = 0; i + 1 < extra.length; i += 2) head += field(extra[i] ?? '', extra[i + 1] ?? '');
  return `${head}\r\n`;
}

/** The last chunk and the trailers of a chunked body (RFC 9112 section 7.1). */
export function chunkedEnd(trailers: readonly string[]): string {
  let text = '0\r\n';
  for (let i = 0; i + 1 < trailers.length; i += 2) text += field(trailers[i] ?? '', trailers[i + 1] ?? '');
  return `${text}\r\n`;
}
