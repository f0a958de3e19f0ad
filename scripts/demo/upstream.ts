import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createTestCa } from '../../test/harness/test-ca.ts';

/** An https server on loopback with a certificate authority of its own, which remembers what it was asked. */
export interface DemoUpstream {
  readonly port: number;
  readonly caPem: string;
  /** `METHOD PATH` of every request, in their order. */
  seen(): readonly string[];
  close(): void;
}

export async function startDemoUpstream(): Promise<DemoUpstream> {
  const ca = createTestCa();
  const seen: string[] = [];
  const server = createServer(ca.issue(['localhost']), (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response
      .setHeader('content-type', 'application/json')
      .end('{"greeting":"hello from behind the boundary"}\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    caPem: ca.caPem,
    seen: () => seen,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
