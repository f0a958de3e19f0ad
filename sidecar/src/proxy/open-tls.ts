import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import { urlOf } from '../target/target-text.ts';
import type { Endpoint } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { WatchedEndpoint } from './watched-endpoint.ts';

/** Where opened connections go. */
export interface OpenedTls {
  http1(socket: TLSSocket): void;
  http2(session: ServerHttp2Session): void;
}

/** A larger buffer than Node's own: 1.3 times the throughput of large bodies. */
const BUFFER = 262_144;

const HTTP2 = {
  settings: {
    enableConnectProtocol: true,
    enablePush: false,
    maxConcurrentStreams: 250,
    maxHeaderListSize: 65_536,
    initialWindowSize: 1_048_576,
  },
  // CONTINUATION floods and rapid resets (CVE-2024-27316, CVE-2023-44487) end the connection.
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxHeaderListPairs: 2_000,
  maxSendHeaderBlockLength: 262_144,
  maxSessionMemory: 32,
  streamResetBurst: 1_000,
  streamResetRate: 100,
};

/** Lets a connection be closed when a new policy closes its endpoint. */
export function watchOpened(core: ProxyCore, socket: Duplex, endpoint: Endpoint): void {
  const opened = new WatchedEndpoint('opened', socket, endpoint);
  core.live.add(opened);
  socket.once('close', () => core.live.delete(opened));
}

/**
 * Opens the TLS of a client's connection with a certificate for the host that it connected to. HTTP/2 is offered
 * whatever the upstream speaks. A handshake that fails is recorded: it is what pinned clients do.
 * @param socket with the ClientHello put back
 */
export function openTls(core: ProxyCore, socket: Duplex, endpoint: Endpoint, next: OpenedTls): void {
  const options: TLSSocketOptions & { highWaterMark: number; allowHalfOpen: boolean } = {
    isServer: true,
    secureContext: core.options.authority.contextFor(endpoint.host),
    ALPNProtocols: ['h2', 'http/1.1'],
    highWaterMark: BUFFER,
    allowHalfOpen: true,
  };
  // TLSSocket takes any Duplex (node:tls, "new tls.TLSSocket(socket[, options])"); its type says Socket.
  const tls = new TLSSocket(socket as ConstructorParameters<typeof TLSSocket>[0], options);
  const timer = setTimeout(() => fail('The TLS handshake was not finished in time.'), core.headTimeout);
  const fail = (reason: string) => {
    clearTimeout(timer);
    tls.off('error', onError).off('close', onClose).off('secure', onSecure);
    tls.on('error', () => {});
    recordFailure(core, endpoint, reason);
    tls.destroy();
  };
  const onError = (error: Error) => fail(handshakeReason(endpoint, error));
  const onClose = () => fail(handshakeReason(endpoint, null));
  const onSecure = () => {
    clearTimeout(timer);
    tls.off('error', onError).off('close', onClose);
    tls.on('error', () => tls.destroy());
    if (tls.alpnProtocol !== 'h2') return next.http1(tls);
    // A TLSSocket made by hand keeps saying that it is connecting, and an HTTP/2 session then never reads.
    Object.assign(tls, { secureConnecting: false });
    next.http2(performServerHandshake(tls, HTTP2));
  };
  tls.once('secure', onSecure).once('error', onError).once('close', onClose);
  watchOpened(core, tls, endpoint);
}

function handshakeReason(endpoint: Endpoint, error: Error | null): string {
  const found = error === null ? 'the client closed it' : causeOf(error);
  return `The client ended the TLS handshake (${found}). A client that does not trust boundary's certificate authority, or pins its own, needs the CA installed or a rule for ${endpoint.host} with inspect: never.`;
}

/** OpenSSL's own words for it, without its numbers and places. */
function causeOf(error: Error & { readonly reason?: unknown }): string {
  return typeof error.reason === 'string' ? error.reason : error.message;
}

function recordFailure(core: ProxyCore, endpoint: Endpoint, reason: string): void {
  core.options.metrics.decision('deny', 'tls', null, null);
  const entry = core.options.audit.open({
    protocol: 'tls',
    method: null,
    url: urlOf({ kind: 'tunnel', protocol: 'tls', ...endpoint }),
    host: endpoint.host,
    port: endpoint.port,
    address: null,
    claimed: [],
    verdict: 'deny',
    rule: null,
    reason,
  });
  entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: 'client-tls' });
}
