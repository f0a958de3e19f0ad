import { messageOf } from './command-error.ts';

/** Where a sidecar of boundary's image takes policies. */
export const SUBMISSIONS_SOCKET = '/run/boundary/control/submit.sock';

/** The sidecar's answer, its body read as JSON. */
export interface SidecarAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The sidecar could not be asked: not there yet, or gone. */
export class SidecarUnreachable extends Error {
  override readonly name = 'SidecarUnreachable';
}

/**
 * One request over the sidecar's submission socket.
 * @throws SidecarUnreachable
 */
export async function askSidecar(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  { timeoutMs, body }: { readonly timeoutMs: number; readonly body?: unknown },
): Promise<SidecarAnswer> {
  // A gate shares this program's entry and never asks: it is spared some 10 MiB.
  const { request } = await import('node:http');
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new SidecarUnreachable(`the sidecar does not answer at ${socketPath}: ${why}`));
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const sent = request({ socketPath, method, path, headers, timeout: timeoutMs }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        answer += piece;
      });
      response.on('error', (error) => fail(messageOf(error)));
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer) });
        } catch {
          fail(`its answer (status ${response.statusCode}) is no JSON; run the same version of both`);
        }
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    sent.on('error', (error) => fail(messageOf(error)));
    sent.end(text);
  });
}
