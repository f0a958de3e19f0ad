import type { Socket } from 'node:net';
import type { CorporateProxy } from './corporate-proxy.ts';
import { UpstreamFailure } from './failure.ts';
import { ResponseParser } from './response-parser.ts';

/**
 * Asks the corporate proxy for a tunnel to `authority` (RFC 9110 section 9.3.6); that proxy resolves the name. When
 * this resolves, the socket is paused and its next byte is the upstream's.
 * @throws UpstreamFailure of kind `proxy`, or the signal's reason
 */
export function openTunnel(
  socket: Socket,
  proxy: CorporateProxy,
  authority: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const settle = (error: unknown) => {
      socket.off('data', onData).off('error', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
      parser.close();
      if (error === null) resolve();
      else reject(error);
    };
    const failed = (what: string) =>
      settle(new UpstreamFailure('proxy', `The upstream proxy ${proxy.label} ${what}`));
    const parser = new ResponseParser({
      head(code) {
        if (code < 200) return 'none';
        status = code;
        // A refusal's body is not read: the connection ends here.
        return 'raw';
      },
      body() {},
      complete() {},
    });
    const onData = (bytes: Buffer) => {
      let parsed: number;
      try {
        parsed = parser.execute(bytes);
      } catch {
        return failed('did not answer CONNECT in HTTP.');
      }
      if (status === 0) return;
      if (status === 407) return failed('wants other credentials (407); check --upstream-proxy.');
      if (status >= 300) return failed(`refused a tunnel to ${authority} with status ${status}.`);
      socket.pause();
      socket.off('data', onData);
      if (parsed < bytes.length) socket.unshift(bytes.subarray(parsed));
      settle(null);
    };
    const onEnd = () => failed(`closed the connection instead of opening a tunnel to ${authority}.`);
    const onAbort = () => settle(signal.reason);
    socket.on('data', onData).once('error', onEnd).once('close', onEnd);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) return onAbort();
    const [name, value] = proxy.authorization;
    const credentials = name === undefined ? '' : `${name}: ${value}\r\n`;
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`, 'latin1');
  });
}
