import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** A proxy upstream of boundary that leads every CONNECT to one server of this machine, whatever name it asks for. */
export interface CorporateProxy extends AsyncDisposable {
  readonly url: string;
  /** The authorities of its CONNECTs, in order. */
  readonly asked: readonly string[];
}

/** So clients and rules can be tried with the names that they have in the world, and no packet leaves the machine. */
export async function startCorporateProxy(port: number): Promise<CorporateProxy> {
  const asked: string[] = [];
  const server = createServer().on('connect', (request, client, head) => {
    asked.push(request.url ?? '');
    const through = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      through.write(head);
      client.pipe(through).pipe(client);
    });
    client.on('error', () => through.destroy()).on('close', () => through.destroy());
    through.on('error', () => client.destroy()).on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
