import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { isLoopback } from './guard.ts';
import { type ControlRoutes, controlRoutes } from './routes.ts';

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

/** The control plane cannot listen where it was told to. */
export class ControlListenError extends Error {
  override readonly name = 'ControlListenError';
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
    await removeStaleSocket(listen.path);
    await listenOnPath(server, listen.path);
    return { address: listen, close: () => closeServer(server) };
  }
  await listening(server, () => server.listen(listen.port, listen.host));
  const { port } = server.address() as AddressInfo;
  return { address: { host: listen.host, port }, close: () => closeServer(server) };
}

async function listening(server: Server, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('listening', resolve).once('error', reject);
  start();
  await promise;
  server.off('error', reject);
}

/** The socket is bound within `listen`, so the mask makes it 0600 from its first moment on. */
async function listenOnPath(server: Server, path: string): Promise<void> {
  await listening(server, () => {
    const mask = process.umask(0o177);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
  });
  chmodSync(path, 0o600);
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new ControlListenError(
      `${path} exists and is not a socket. Name another path for the control socket.`,
    );
  }
  if (await answers(path)) {
    throw new ControlListenError(`Another process listens on ${path}. Stop it, or name another path.`);
  }
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
