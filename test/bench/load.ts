import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';

/** Where a scenario's traffic goes. `proxy` null is a direct connection. */
export interface Path {
  readonly proxy: { readonly host: string; readonly port: number } | null;
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** Reach the upstream by CONNECT (always with TLS). */
  readonly tunnel: boolean;
  /** Certificates to trust: the upstream's CA and, where TLS is opened, the proxy's. */
  readonly ca: readonly string[];
}

export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Seconds from the request's write to the answer's first byte, one per request. */
  readonly firstByte: number[];
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** A kept connection was closed before its answer began: a client sends the request again (RFC 9112 section 9.3.1). */
class Stale extends Error {}

function dial(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

async function throughConnect(path: Path): Promise<Socket> {
  const proxy = path.proxy;
  if (!proxy) return dial('127.0.0.1', path.port);
  const socket = await dial(proxy.host, proxy.port);
  const authority = `${path.host}:${path.port}`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const head = await new Promise<Buffer>((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const fail = () => reject(new Error('closed during CONNECT'));
    const onData = (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk]);
      if (seen.indexOf(HEAD_END) < 0) return;
      socket.off('data', onData);
      socket.off('close', fail);
      socket.pause();
      resolve(seen);
    };
    socket.on('data', onData);
    socket.once('close', fail);
    socket.once('error', reject);
  });
  if (!/^HTTP\/1\.[01] 200/.test(head.toString('latin1', 0, 12))) {
    throw new Error(`CONNECT was answered ${JSON.stringify(head.toString('latin1').slice(0, 200))}`);
  }
  return socket;
}

const contexts = new Map<string, SecureContext>();

/**
 * One context per set of roots: reading the certificates anew would cost more than a handshake. One key exchange for
 * all, since Debian's squid knows no post-quantum one: what is compared is the same work.
 */
function contextOf(ca: readonly string[]): SecureContext {
  const key = ca.join('');
  const context = contexts.get(key) ?? createSecureContext({ ca: [...ca], ecdhCurve: 'X25519' });
  contexts.set(key, context);
  return context;
}

/** Opens one connection to the upstream as the path says, ready for requests. */
export async function open(path: Path): Promise<Duplex> {
  if (!path.tls && !path.tunnel)
    return path.proxy ? dial(path.proxy.host, path.proxy.port) : dial('127.0.0.1', path.port);
  const socket = await throughConnect(path);
  if (!path.tls) return socket;
  return new Promise((resolve, reject) => {
    const secure = tlsConnect({
      socket,
      servername: path.host,
      secureContext: contextOf(path.ca),
      ALPNProtocols: ['http/1.1'],
    });
    secure.once('secureConnect', () => resolve(secure));
    secure.once('error', reject);
  });
}

function requestBytes(path: Path, file: string): Buffer {
  const absolute = path.proxy !== null && !path.tls && !path.tunnel;
  const target = absolute ? `http://${path.host}:${path.port}${file}` : file;
  return Buffer.from(
    `GET ${target} HTTP/1.1\r\nHost: ${path.host}:${path.port}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`,
  );
}

/** Sends one request and counts its answer. Resolves to the seconds until the first byte. */
function once(
  stream: Duplex,
  request: Buffer,
  count: (bytes: number) => void,
): Promise<{ firstByte: number; keep: boolean }> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    let head: Buffer | null = Buffer.alloc(0);
    let left = -1;
    let firstByte = 0;
    let keep = true;
    const done = (error: Error | null) => {
      stream.off('data', onData);
      stream.off('close', onClose);
      if (error) reject(error);
      else resolve({ firstByte, keep });
    };
    const onClose = () =>
      done(firstByte === 0 ? new Stale('closed before an answer') : new Error('closed within an answer'));
    const onData = (chunk: Buffer) => {
      if (firstByte === 0) firstByte = (performance.now() - start) / 1000;
      count(chunk.length);
      let rest = chunk.length;
      if (head) {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        const end = head.indexOf(HEAD_END);
        if (end < 0) return;
        const text = head.toString('latin1', 0, end);
        if (!/^HTTP\/1\.[01] 200/.test(text)) return done(new Error(`answered ${text.slice(0, 100)}`));
        const length = /\ncontent-length: *(\d+)/i.exec(text);
        if (!length) return done(new Error(`no Content-Length in ${text}`));
        keep = text.startsWith('HTTP/1.1') && !/\nconnection: *close/i.test(text);
        left = Number(length[1]);
        rest = head.length - end - 4;
        head = null;
      }
      left -= rest;
      if (left === 0) done(null);
      else if (left < 0) done(new Error('more bytes than Content-Length says'));
    };
    stream.on('data', onData);
    stream.once('close', onClose);
    // A tunnel was paused when its CONNECT was answered, and a listener alone does not wake it.
    stream.resume();
    stream.write(request);
  });
}

/**
 * Sends `requests` GETs of `file` over `connections` connections.
 * @param reuse keep connections; false makes a new one for each request
 */
export async function load(
  path: Path,
  file: string,
  options: { readonly connections: number; readonly requests: number; readonly reuse: boolean },
): Promise<LoadResult> {
  const request = requestBytes(path, file);
  const firstByte: number[] = [];
  let left = options.requests;
  let failures = 0;
  let bytes = 0;
  const worker = async (): Promise<void> => {
    let stream: Duplex | null = null;
    let used = false;
    while (left > 0) {
      left--;
      if (stream?.destroyed || stream?.readableEnded) stream = null;
      try {
        if (!stream) {
          stream = await open(path);
          stream.on('error', () => {});
          used = false;
        }
        const answer = await once(stream, request, (n) => {
          bytes += n;
        });
        used = true;
        firstByte.push(answer.firstByte);
        if (!options.reuse || !answer.keep) {
          stream.destroy();
          stream = null;
        }
      } catch (error) {
        if (error instanceof Stale && used) left++;
        else failures++;
        stream?.destroy();
        stream = null;
        // A proxy that fails everything must not hold the run for ever.
        if (failures > options.requests / 10) left = 0;
      }
    }
    stream?.destroy();
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: options.connections }, worker));
  return {
    requests: firstByte.length,
    failures,
    seconds: (performance.now() - start) / 1000,
    bytes,
    firstByte,
  };
}
