import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { after } from 'node:test';
import { createMetrics } from '../../sidecar/src/metrics/create-metrics.ts';
import { createUpstream } from '../../sidecar/src/proxy/upstream/create-upstream.ts';
import type { Route, UpstreamClient } from '../../sidecar/src/proxy/upstream-types.ts';

const clients: UpstreamClient[] = [];
export const closers: (() => void)[] = [];
after(async () => {
  for (const close of closers) close();
  await Promise.all(clients.map((client) => client.close()));
});

/** An upstream client that is closed when the file's tests have ended, as everything here. */
export function client(): UpstreamClient {
  const made = createUpstream({ ca: [], metrics: createMetrics().metrics });
  clients.push(made);
  return made;
}

/** Listens on a free port of loopback. */
export async function listening(server: Server | TcpServer): Promise<Route> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { scheme: 'http', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
}

/** An ordinary server. */
export const http = (listener: RequestListener): Promise<Route> => listening(createHttpServer(listener));

/** A server that reads the request's head and then does as told. */
export async function raw(serve: (socket: Socket, head: string, nth: number) => void): Promise<Route> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    const nth = connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = text.slice(0, end + 4);
      text = '';
      serve(socket, head, nth);
    });
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
  });
  return listening(server);
}
