import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
} from 'node:net';
import { after, describe, test } from 'node:test';
import { ExchangeRecorder, exchange, UpgradeRecorder } from '../../../../test/harness/exchange-recorder.ts';
import { createTestCa } from '../../../../test/harness/test-ca.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import type { Route, UpstreamClient } from '../upstream-types.ts';
import { parseCorporateProxy } from './corporate-proxy.ts';
import { createUpstream } from './create-upstream.ts';

const ca = createTestCa();
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

async function portOf(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

interface RealProxy {
  readonly port: number;
  readonly asked: { method: string; target: string; authorization: string | undefined }[];
  bytes: number;
}

/** A proxy that resolves every name to loopback, wants `user:p@ss`, and refuses `refused.test`. */
async function realProxy(): Promise<RealProxy> {
  const asked: RealProxy['asked'] = [];
  const expected = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  const server: Server = createHttpServer((request, response) => {
    const authorization = request.headers['proxy-authorization'];
    asked.push({ method: request.method ?? '', target: request.url ?? '', authorization });
    if (authorization !== expected) return void response.writeHead(407).end('credentials');
    const url = new URL(request.url ?? '');
    const onwards = httpRequest(
      {
        host: '127.0.0.1',
        port: url.port,
        path: url.pathname,
        method: request.method,
        headers: { host: url.host },
      },
      (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 500)),
    );
    request.pipe(onwards);
  });
  server.on('connect', (request, socket, head) => {
    const authorization = request.headers['proxy-authorization'];
    asked.push({ method: 'CONNECT', target: request.url ?? '', authorization });
    socket.on('error', () => {});
    if (authorization !== expected)
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const [host, port] = (request.url ?? '').split(':');
    if (host === 'refused.test')
      return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    const onwards = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n');
      onwards.write(head);
      onwards.on('data', (bytes) => {
        proxy.bytes += bytes.length;
      });
      onwards.pipe(socket).pipe(onwards);
    });
    onwards.on('error', () => socket.destroy());
  });
  closers.push(() => server.closeAllConnections());
  const proxy: RealProxy = { port: await portOf(server), asked, bytes: 0 };
  return proxy;
}

function client(url: string): UpstreamClient {
  const made = createUpstream({ ca: [ca.caPem], proxy: { url }, metrics: createMetrics().metrics });
  closers.push(() => void made.close());
  return made;
}

describe('through a corporate proxy', () => {
  const through = (proxy: RealProxy) => client(`http://user:p%40ss@127.0.0.1:${proxy.port}`);

  test('plain requests go in absolute form, by name, with credentials, over kept connections', async () => {
    const proxy = await realProxy();
    const port = await portOf(createHttpServer((request, response) => response.end(`${request.url}`)));
    const route: Route = { scheme: 'http', host: 'upstream.test', port, addresses: [] };
    const upstream = through(proxy);
    for (let i = 0; i < 2; i++) {
      const headers = ['Host', `upstream.test:${port}`];
      const answer = await exchange(upstream, route, { path: '/a', headers }, new ExchangeRecorder())
        .finished;
      assert.equal(answer.error, null);
      assert.equal(answer.text, '/a');
    }
    const target = `http://upstream.test:${port}/a`;
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
    assert.deepEqual(proxy.asked, [
      { method: 'GET', target, authorization },
      { method: 'GET', target, authorization },
    ]);
  });

  test('https goes by CONNECT, and the upstream is verified all the same', async () => {
    const proxy = await realProxy();
    const leaf = ca.issue(['upstream.test']);
    let seen: string[] = [];
    const server = createHttpsServer(leaf, (request, response) => {
      seen = request.rawHeaders;
      response.end('x'.repeat(100_000));
    });
    const port = await portOf(server);
    const upstream = through(proxy);
    const route: Route = { scheme: 'https', host: 'upstream.test', port, addresses: [] };
    const answer = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.bytes, 100_000);
    assert.ok(proxy.bytes > 100_000);
    assert.deepEqual(seen, ['Host', 'upstream.test']);
    assert.equal(proxy.asked[0]?.target, `upstream.test:${port}`);
    const other = await exchange(upstream, { ...route, host: 'other.test' }, {}, new ExchangeRecorder())
      .finished;
    assert.equal(other.error?.kind, 'certificate');
  });

  test('raw connections and upgrades go by CONNECT', async () => {
    const proxy = await realProxy();
    const port = await portOf(createTcpServer((socket) => void socket.pipe(socket)));
    const { socket } = await through(proxy).connect(
      { scheme: 'tcp', host: 'db.test', port, addresses: [] },
      new AbortController().signal,
    );
    socket.end('echo');
    socket.resume();
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.equal(text, 'echo');

    const upgrading = createHttpServer();
    upgrading.on('upgrade', (_request, raw) =>
      raw.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi'),
    );
    const route: Route = { scheme: 'http', host: 'ws.test', port: await portOf(upgrading), addresses: [] };
    const headers = ['Host', 'ws.test', 'Connection', 'Upgrade', 'Upgrade', 'x'];
    const recorder = await exchange(through(proxy), route, { headers }, new UpgradeRecorder()).upgraded;
    assert.equal(recorder.upgrade?.head.toString(), 'hi');
    recorder.upgrade?.socket.destroy();
    assert.equal(proxy.asked.at(-1)?.method, 'CONNECT');
  });

  test('its refusals are its own, and no message holds the credentials', async () => {
    const proxy = await realProxy();
    const secret = `http://someone:hunter2@127.0.0.1:${proxy.port}`;
    const route: Route = { scheme: 'https', host: 'upstream.test', port: 443, addresses: [] };
    const denied = await exchange(client(secret), route, {}, new ExchangeRecorder()).finished;
    assert.match(denied.error?.message ?? '', /407.*--upstream-proxy/);
    const refused = await exchange(
      through(proxy),
      { ...route, host: 'refused.test' },
      {},
      new ExchangeRecorder(),
    ).finished;
    assert.match(refused.error?.message ?? '', /refused a tunnel to refused\.test:443 with status 403/);
    const down = await exchange(
      client('http://someone:hunter2@127.0.0.1:1'),
      route,
      {},
      new ExchangeRecorder(),
    ).finished;
    const closing = await portOf(createTcpServer((socket) => socket.end()));
    const closed = await exchange(
      client(`http://someone:hunter2@127.0.0.1:${closing}`),
      route,
      {},
      new ExchangeRecorder(),
    ).finished;
    for (const answer of [denied, refused, down, closed]) {
      assert.equal(answer.error?.kind, 'proxy');
      assert.equal(answer.error?.status, 502);
      assert.doesNotMatch(answer.error?.message ?? '', /hunter2|someone/);
    }
  });
});

describe('the address of a corporate proxy', () => {
  test('with a user, an escape and the default port', () => {
    const parsed = parseCorporateProxy('http://a:b%3Ac@proxy.corp');
    assert.deepEqual(parsed, {
      host: 'proxy.corp',
      port: 80,
      label: 'proxy.corp:80',
      authorization: ['Proxy-Authorization', `Basic ${Buffer.from('a:b:c').toString('base64')}`],
    });
  });
  test('an IPv6 address', () => {
    const parsed = parseCorporateProxy('http://[::1]:3128');
    assert.deepEqual([parsed.host, parsed.port, parsed.label], ['::1', 3128, '[::1]:3128']);
  });
  for (const text of [
    'proxy:3128',
    'https://proxy',
    'socks5://proxy',
    'http://proxy/path',
    'http://u:sec%ret@proxy',
    '',
  ]) {
    test(`${JSON.stringify(text)} is refused without its credentials`, () => {
      assert.throws(
        () => parseCorporateProxy(text),
        (error: Error) => /upstream proxy/.test(error.message) && !error.message.includes('sec%'),
      );
    });
  }
});
