import { isIP, type Socket, type TcpNetConnectOpts, connect as tcpConnect } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  type SecureContext,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import type { RawReader, Route } from '../upstream-types.ts';
import type { CorporateProxy } from './corporate-proxy.ts';
import { connectFailure, handshakeFailure, UpstreamFailure } from './failure.ts';
import { openTunnel } from './open-tunnel.ts';

/** What every dial of one client has in common. */
export interface Dialler {
  readonly context: SecureContext;
  readonly proxy: CorporateProxy | null;
  /** For address attempts, proxy and handshake together, milliseconds. */
  readonly timeoutMs: number;
}

export interface DialOptions {
  readonly alpn: readonly string[];
  /** Whether the peer's end leaves our side open. */
  readonly halfOpen: boolean;
  readonly signal: AbortSignal;
  readonly reader?: RawReader;
  /** Reach an http or tcp route through the proxy's CONNECT. Off for plain requests in absolute form. */
  readonly tunnel: boolean;
  readonly session?: Buffer | undefined;
  readonly onSession?: (session: Buffer) => void;
}

export interface Dialled {
  readonly socket: Socket;
  /** The judged address that answered, or the proxy's. */
  readonly address: string;
  /** The protocol that the upstream chose by ALPN, or null. */
  readonly alpn: string | null;
}

/** One attempt's share while other addresses are left: a dead address must not eat the whole time. */
const ATTEMPT_MS = 5_000;

/** More than Node's 16 KiB, so that uploads are written in larger pieces. */
const WRITE_BUFFER = 256 * 1024;

export function placeOf(route: { readonly host: string; readonly port: number }): string {
  return route.host.includes(':') ? `[${route.host}]:${route.port}` : `${route.host}:${route.port}`;
}

function late(place: string, timeoutMs: number): UpstreamFailure {
  return new UpstreamFailure(
    'timeout',
    `${place} did not take a connection within ${timeoutMs / 1000} seconds.`,
  );
}

/** Waits for `event`, the socket's end or the signal. The socket is destroyed unless `event` came first. */
function established(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  failure: (error: unknown) => UpstreamFailure,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: unknown) => {
      socket.off(event, onReady).off('error', onError).off('close', onClose);
      signal.removeEventListener('abort', onAbort);
      if (error === null) return resolve();
      // The socket may still report what made it fail.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onReady = () => settle(null);
    const onError = (error: unknown) => settle(failure(error));
    const onClose = () => settle(failure({ code: 'ECONNRESET' }));
    const onAbort = () => settle(signal.reason);
    socket.once(event, onReady).once('error', onError).once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

async function tcp(
  place: string,
  host: string,
  port: number,
  options: DialOptions,
  signal: AbortSignal,
  native: boolean,
): Promise<Socket> {
  const reader = native ? options.reader : undefined;
  const wanted: TcpNetConnectOpts & { highWaterMark: number } = {
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    allowHalfOpen: options.halfOpen,
    highWaterMark: WRITE_BUFFER,
    ...(reader && {
      onread: {
        buffer: reader.buffer as Uint8Array<ArrayBuffer>,
        callback: (count: number, bytes: Uint8Array) => reader.read(bytes.subarray(0, count)),
      },
    }),
  };
  const socket = tcpConnect(wanted);
  await established(socket, 'connect', signal, (error) => connectFailure(place, error));
  return socket;
}

/** Tries the judged addresses in order, each an address and never a name: nothing is looked up here. */
async function firstAddress(
  route: Route,
  options: DialOptions,
  signal: AbortSignal,
  deadline: number,
): Promise<{ socket: Socket; address: string }> {
  let failure: unknown = new UpstreamFailure('connect', `${placeOf(route)} has no address to connect to.`);
  for (const [index, address] of route.addresses.entries()) {
    if (isIP(address) === 0) throw new Error(`a route's address is a name: ${address}`);
    const others = route.addresses.length - index - 1;
    const left = deadline - performance.now();
    const budget = others === 0 ? left : Math.min(ATTEMPT_MS, left / (others + 1));
    const attempt =
      others === 0 ? signal : AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.round(budget)))]);
    try {
      const place = `${placeOf(route)} (${address})`;
      const socket = await tcp(place, address, route.port, options, attempt, route.scheme !== 'https');
      return { socket, address };
    } catch (error) {
      signal.throwIfAborted();
      failure =
        error instanceof UpstreamFailure ? error : connectFailure(placeOf(route), { code: 'ETIMEDOUT' });
    }
  }
  throw failure;
}

async function secure(
  dialler: Dialler,
  route: Route,
  socket: Socket,
  options: DialOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const name = isIP(route.host) === 0 ? route.host : '';
  const wanted: ConnectionOptions & { highWaterMark: number } = {
    socket,
    secureContext: dialler.context,
    // RFC 6066 section 3: addresses are not server names.
    servername: name,
    ALPNProtocols: [...options.alpn],
    rejectUnauthorized: true,
    highWaterMark: WRITE_BUFFER,
    checkServerIdentity: (_host, certificate) => checkServerIdentity(route.host, certificate),
    ...(options.session && { session: options.session }),
    ...(options.halfOpen && { allowHalfOpen: true }),
  };
  const secured = tlsConnect(wanted);
  if (options.onSession) secured.on('session', options.onSession);
  await established(secured, 'secureConnect', signal, (error) => handshakeFailure(placeOf(route), error));
  return secured;
}

/**
 * Connects to a route: its judged addresses in order or the corporate proxy, then TLS where the scheme is https, with
 * the certificate verified against the dialler's roots and the route's host.
 * @throws UpstreamFailure, or the signal's reason when it was aborted
 */
export async function dial(dialler: Dialler, route: Route, options: DialOptions): Promise<Dialled> {
  const { proxy, timeoutMs } = dialler;
  options.signal.throwIfAborted();
  // Not AbortSignal.timeout: its timer would outlive the dial.
  const limit = new AbortController();
  const signal = limit.signal;
  const timer = setTimeout(() => limit.abort(late(placeOf(route), timeoutMs)), timeoutMs);
  const onAbort = () => limit.abort(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  const deadline = performance.now() + timeoutMs;
  let socket: Socket | null = null;
  try {
    let address: string;
    let native = false;
    if (proxy) {
      const place = `the upstream proxy ${proxy.label}`;
      const tunnelled = options.tunnel || route.scheme !== 'http';
      native = !tunnelled;
      try {
        socket = await tcp(place, proxy.host, proxy.port, options, signal, native);
      } catch (error) {
        if (!(error instanceof UpstreamFailure) || error.kind === 'timeout') throw error;
        throw new UpstreamFailure('proxy', error.message.replace('the upstream', 'The upstream'));
      }
      address = socket.remoteAddress ?? proxy.host;
      if (tunnelled) await openTunnel(socket, proxy, placeOf(route), signal);
    } else {
      native = route.scheme !== 'https';
      ({ socket, address } = await firstAddress(route, options, signal, deadline));
    }
    let alpn: string | null = null;
    if (route.scheme === 'https') {
      const secured = await secure(dialler, route, socket, options, signal);
      socket = secured;
      alpn = secured.alpnProtocol || null;
    }
    if (options.reader && !native) readThrough(socket, options.reader);
    return { socket, address, alpn };
  } catch (error) {
    socket?.on('error', () => {}).destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
  }
}

/** What a reader gets where node:net's `onread` is not to be had. */
function readThrough(socket: Socket, reader: RawReader): void {
  socket.on('data', (bytes: Buffer) => {
    if (!reader.read(bytes)) socket.pause();
  });
  socket.resume();
}
