import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { addressed, allowing, ca, startSite } from '../harness/behind-boundary.ts';
import { type Sidecar, startSidecar } from '../harness/boundary.ts';
import { localName } from '../harness/local-name.ts';
import type { Handler } from '../harness/upstream.ts';
import { metric, openSockets, peakMemory, until } from './process-figures.ts';

/** A CONNECT that was answered 200. */
async function tunnel(sidecar: Sidecar, authority: string): Promise<Socket> {
  const socket = connect(sidecar.proxyPort, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  assert.match(head.toString('latin1'), /^HTTP\/1\.1 200 /);
  return socket;
}

/** Resolves once the proxy holds as many sockets and connections as `base` says. */
async function backAt(sidecar: Sidecar, base: { sockets: number }): Promise<void> {
  await until(async () => {
    const tunnels = await metric(sidecar.controlUrl, 'boundary_connections', 'kind="tunnel"');
    const clients = await metric(sidecar.controlUrl, 'boundary_connections', 'kind="client"');
    const sockets = openSockets(sidecar.process.pid as number);
    const found = `${tunnels} tunnels, ${clients} clients, ${sockets} sockets (${base.sockets} at first)`;
    return tunnels === 0 && clients === 0 && sockets <= base.sockets ? null : found;
  });
}

test('1,000 idle tunnels stay open, each passes bytes, new requests are served beside them, and all is given back', {
  timeout: 200_000,
}, async (context) => {
  const { name, address } = await localName();
  const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '0.0.0.0');
  await once(echo, 'listening');
  const raw = addressed(name, address, (echo.address() as AddressInfo).port, 'tcp');
  await using site = await startSite({ tls: false });
  const policy = allowing(`${raw.rule}\n    protocol: tcp`, site.rule);
  await using sidecar = await startSidecar({ policy });
  const pid = sidecar.process.pid as number;
  (await tunnel(sidecar, raw.authority)).destroy();
  await backAt(sidecar, { sockets: Number.POSITIVE_INFINITY });
  const base = { sockets: openSockets(pid) };
  const before = peakMemory(pid);

  const sockets: Socket[] = [];
  for (let n = 0; n < 20; n++) {
    sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => tunnel(sidecar, raw.authority)))));
  }
  assert.equal(await metric(sidecar.controlUrl, 'boundary_connections', 'kind="tunnel"'), 1000);
  const added = peakMemory(pid) - before;
  context.diagnostic(`1,000 tunnels add ${(added / 1024 ** 2).toFixed(1)} MiB`);
  assert.ok(added < 200 * 1024 ** 2, `${added} bytes`);

  for (const [n, socket] of sockets.entries()) socket.write(`tunnel ${n}`);
  const echoed = await Promise.all(sockets.map(async (socket) => String((await once(socket, 'data'))[0])));
  assert.deepEqual(
    echoed,
    sockets.map((_, n) => `tunnel ${n}`),
  );

  const asked = connect(sidecar.proxyPort, '127.0.0.1');
  asked.write(`GET ${site.origin}/ HTTP/1.1\r\nHost: ${site.authority}\r\nConnection: close\r\n\r\n`);
  assert.match(String((await once(asked, 'data'))[0]), /^HTTP\/1\.1 200 /);
  asked.destroy();
  await site.close();

  for (const socket of sockets) socket.destroy();
  await backAt(sidecar, base);
  echo.close();
});

test('500 aborted requests leave neither sockets nor slots taken', { timeout: 200_000 }, async () => {
  let waiting = 0;
  const handler: Handler = (request, response) => {
    if (request.url === '/ready') response.end('ready');
    else waiting += 1; // and never answers
  };
  await using plain = await startSite({ tls: false, handler });
  await using secure = await startSite({ handler });
  const limit = '\n    limits: { concurrent: 250 }';
  const policy = allowing(`${plain.rule}${limit}`, `${secure.rule}${limit}`);
  await using sidecar = await startSidecar({ policy, upstreamCa: ca.caPem });
  const bundle = readFileSync(sidecar.bundlePath);
  const base = { sockets: openSockets(sidecar.process.pid as number) };

  const ask = (socket: Socket, target: string, authority: string) =>
    socket.write(`GET ${target} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const overPlain = async (path: string) => {
    const socket = connect(sidecar.proxyPort, '127.0.0.1');
    socket.on('error', () => {});
    ask(socket, `${plain.origin}${path}`, plain.authority);
    return socket;
  };
  const overTls = async (path: string) => {
    const socket = connectTls({
      socket: await tunnel(sidecar, secure.authority),
      servername: secure.name,
      ca: bundle,
    });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    ask(socket, path, secure.authority);
    return socket;
  };

  const sockets: Socket[] = [];
  for (let n = 0; n < 10; n++) {
    sockets.push(...(await Promise.all(Array.from({ length: 25 }, () => overPlain('/never')))));
    sockets.push(...(await Promise.all(Array.from({ length: 25 }, () => overTls('/never')))));
  }
  await until(() => (waiting === 500 ? null : `${waiting} requests at the upstreams`));
  // Every slot is taken: the control that the limit is in force.
  const refused = await overPlain('/ready');
  assert.match(String((await once(refused, 'data'))[0]), /^HTTP\/1\.1 429 /);
  refused.destroy();

  for (const socket of sockets) socket.destroy();
  await backAt(sidecar, { sockets: base.sockets });
  await until(() => {
    const ended = sidecar.audit().filter((line) => line.error === 'client-abort').length;
    return ended === 500 ? null : `${ended} requests recorded as aborted`;
  });

  for (const socket of [await overPlain('/ready'), await overTls('/ready')]) {
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
    socket.destroy();
  }
});
