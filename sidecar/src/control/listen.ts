import { chmodSync, lstatSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';

/** The control plane cannot listen where it was told to. */
export class ControlListenError extends Error {
  override readonly name = 'ControlListenError';
}

/** Waits until a server listens. Rejects with the system's error. */
export async function listening(server: Server, start: () => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('listening', resolve).once('error', reject);
  start();
  await promise;
  server.off('error', reject);
}

/**
 * Listens on a unix socket for this user alone. It is bound within `listen`, so the mask makes it 0600 from its first
 * moment on. A socket that nobody listens on any more is replaced.
 * @throws ControlListenError where the path is taken
 */
export async function listenOnPath(server: Server, path: string): Promise<void> {
  await removeStaleSocket(path);
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

/** Takes no new connection and ends those that are open. */
export async function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
