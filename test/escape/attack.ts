import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type Sidecar, startSidecar } from '../harness/boundary.ts';
import { localName } from '../harness/local-name.ts';
import { createTestCa, type TestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';

/** Longer than anything here takes on a busy machine; what takes longer hangs. */
const DEADLINE_MS = 20_000;

export interface Heard {
  readonly text: string;
  /** How the connection ended. */
  readonly end: 'closed' | 'reset';
}

/** Sends octets (each piece in a segment of its own), closes this side and listens until the other side closes. */
export async function talk(
  port: number,
  pieces: string | Buffer | readonly (string | Buffer)[],
  options: { readonly host?: string; readonly keepOpen?: boolean } = {},
): Promise<Heard> {
  const socket = connect({ port, host: options.host ?? '127.0.0.1', noDelay: true, allowHalfOpen: true });
  const list = typeof pieces === 'string' || Buffer.isBuffer(pieces) ? [pieces] : pieces;
  return converse(socket, list, options.keepOpen ?? false);
}

/** As {@link talk}, over a connection that stands. Fails where the other side neither closes nor resets in time. */
export function converse(
  socket: Socket,
  pieces: readonly (string | Buffer)[],
  keepOpen = false,
): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let reset = false;
    const deadline = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`hangs after ${JSON.stringify(Buffer.concat(chunks).toString('latin1').slice(0, 400))}`),
      );
    }, DEADLINE_MS);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {
      reset = true;
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(deadline);
      resolve({ text: Buffer.concat(chunks).toString('latin1'), end: reset ? 'reset' : 'closed' });
    });
    void (async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        await new Promise<void>((sent) => {
          socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece, () => sent());
        });
      }
      if (!keepOpen) socket.end();
    })();
  });
}

/** A CONNECT through the proxy that was answered; `status` says how. */
export async function openTunnel(
  port: number,
  authority: string,
  headers = '',
): Promise<{ socket: Socket; status: number; text: string }> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${headers}\r\n`);
  let text = '';
  while (!text.includes('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return { socket, status: Number(text.split(' ')[1]), text };
}

/** TLS inside a tunnel. Rejects where the handshake fails. `ca: null` trusts anything. */
export async function openTls(
  port: number,
  authority: string,
  options: {
    readonly ca: string | null;
    readonly serverName?: string | null;
    readonly alpn?: readonly string[];
    readonly maxVersion?: 'TLSv1.1' | 'TLSv1.2';
  },
): Promise<TLSSocket> {
  const { socket } = await openTunnel(port, authority);
  const name = options.serverName === undefined ? authority.split(':')[0] : options.serverName;
  const tls = tlsConnect({
    socket,
    ...(options.ca === null ? { rejectUnauthorized: false } : { ca: options.ca }),
    ...(name === null || name === undefined ? {} : { servername: name }),
    checkServerIdentity: () => undefined,
    ALPNProtocols: [...(options.alpn ?? ['http/1.1'])],
    ...(options.maxVersion && {
      maxVersion: options.maxVersion,
      minVersion: 'TLSv1' as const,
      ciphers: 'ALL@SECLEVEL=0',
    }),
  });
  tls.on('close', () => socket.destroy());
  await once(tls, 'secureConnect');
  return tls;
}

export type AuditLine = Record<string, unknown>;

export interface Setting extends AsyncDisposable {
  readonly sidecar: Sidecar;
  readonly port: number;
  readonly ca: TestCa;
  /** A name of this machine that no rule of `policy` has unless it was written there. */
  readonly otherName: string;
  /** Runs an attack; hands back the audit lines that came of it, once there are `atLeast` of them that ended. */
  during<T>(attack: () => Promise<T>, atLeast?: number): Promise<{ result: T; lines: readonly AuditLine[] }>;
  /** The text of /metrics. */
  metrics(): Promise<string>;
  /** Fails where the process has ended or does not answer. */
  alive(): Promise<void>;
}

/** The built command as a service, ready to be attacked. `policy` may hold `{other}` for {@link Setting.otherName}. */
export async function startSetting(
  policy: string,
  options: {
    readonly ca?: TestCa;
    readonly args?: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<Setting> {
  const ca = options.ca ?? createTestCa();
  const { name } = await localName();
  const sidecar = await startSidecar({
    policy: policy.replaceAll('{other}', name),
    upstreamCa: ca.caPem,
    ...(options.args === undefined ? {} : { args: options.args }),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const ended = () => sidecar.audit().filter((line) => line.event !== 'verdict');
  return {
    sidecar,
    port: sidecar.proxyPort,
    ca,
    otherName: name,
    async during(attack, atLeast = 1) {
      const before = ended().length;
      const result = await attack();
      const until = performance.now() + DEADLINE_MS;
      while (ended().length < before + atLeast) {
        if (performance.now() > until)
          assert.fail(`no audit record: ${JSON.stringify(ended().slice(before))} of ${atLeast}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return { result, lines: ended().slice(before) };
    },
    metrics: async () => (await fetch(`${sidecar.controlUrl}/metrics`)).text(),
    async alive() {
      assert.equal(sidecar.process.exitCode, null, sidecar.stderr());
      assert.equal((await fetch(`${sidecar.controlUrl}/readyz`)).status, 200);
    },
    [Symbol.asyncDispose]: () => sidecar[Symbol.asyncDispose](),
  };
}

/** An upstream of plain HTTP or TLS on 127.0.0.1 that is closed with the block. */
export async function upstreamOf(
  options: Parameters<typeof startUpstream>[0] = {},
): Promise<Upstream & AsyncDisposable> {
  const upstream = await startUpstream(options);
  return Object.assign(upstream, { [Symbol.asyncDispose]: () => upstream.close() });
}

/** The number of the first status line that is final, or null where nothing readable came. */
export function statusOf(heard: Heard): number | null {
  const match = /^(?:HTTP\/1\.1 1.*\r\n(?:.+\r\n)*\r\n)*HTTP\/1\.[01] ([2-9]\d{2})/.exec(heard.text);
  return match === null ? null : Number(match[1]);
}
