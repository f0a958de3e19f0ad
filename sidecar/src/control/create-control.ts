import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from './guard.ts';
import { ControlListenError, closeServer, listening, listenOnPath } from './listen.ts';
import { type ControlRoutes, controlRoutes } from './routes.ts';

export { ControlListenError } from './listen.ts';
export type { Readiness } from './routes.ts';

/** Where the control plane listens. */
export type ControlAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ControlOptions extends ControlRoutes {
  /** Port 0 takes a free one. */
  readonly listen: ControlAddress;
}

export interface Control {
  readonly address: ControlAddress;
  /** Takes no new connection and ends those that are open. */
  close(): Promise<void>;
}

/**
 * Starts the control plane on loopback or on a unix socket (mode 0600; a socket that nobody listens on any more is
 * replaced).
 * @throws ControlListenError for an address that others could reach, an empty token, a path that is taken; the
 *   system's own error (EADDRINUSE, EACCES, ...) otherwise
 */
export async function createControl(options: ControlOptions): Promise<Control> {
  const { listen, token } = options;
  if (token === '')
    throw new ControlListenError('The control token is empty. Give it at least 16 characters.');
  if ('host' in listen && !isLoopback(listen.host)) {
    throw new ControlListenError(
      `The control plane would listen on ${listen.host}, which other machines may reach. Use 127.0.0.1, [::1] or a unix socket.`,
    );
  }
  const server = createServer(
    { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5000, maxHeaderSize: 80 * 1024 },
    controlRoutes(options, 'host' in listen),
  );
  server.maxConnections = 128;
  if ('path' in listen) {
    await listenOnPath(server, listen.path);
    return { address: listen, close: () => closeServer(server) };
  }
  await listening(server, () => server.listen(listen.port, listen.host));
  const { port } = server.address() as AddressInfo;
  return { address: { host: listen.host, port }, close: () => closeServer(server) };
}
