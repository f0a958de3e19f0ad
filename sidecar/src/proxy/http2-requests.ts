import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { http2Target } from '../target/http2-target.ts';
import type { Endpoint } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { Exchange } from './exchange.ts';
import { Http2Answer } from './http2-answer.ts';

const NO_TRAILERS: readonly string[] = [];

/** Turns the streams of one session into exchanges, each judged by itself. */
export function serveHttp2(
  core: ProxyCore,
  session: ServerHttp2Session,
  endpoint: Endpoint,
  serverName: string | null,
): void {
  session.on('error', () => session.destroy());
  session.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, rawHeaders: string[]) => {
      let trailers = NO_TRAILERS;
      stream.on('error', () => {});
      stream.on('trailers', (_headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
        trailers = raw;
      });
      const method = String(headers[':method'] ?? '');
      const request = {
        parsed: http2Target({ scheme: 'https', rawHeaders, endpoint, serverName }),
        method,
        scheme: 'https' as const,
        rawHeaders,
        http2: true,
        body: stream,
        ended: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0,
        trailers: () => trailers,
      };
      const hasKey = headers['sec-websocket-key'] !== undefined;
      new Exchange(core, request, new Http2Answer(stream, method === 'HEAD', hasKey)).start();
    },
  );
}
