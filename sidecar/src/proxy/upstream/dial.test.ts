import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { client, https, leaf, portOf } from '../../../../test/harness/upstream-under-test.ts';
import type { Route } from '../upstream-types.ts';

describe('the dial', () => {
  test('addresses are tried in order until one answers', async () => {
    const route = await https(leaf);
    // Nothing listens on 127.0.0.2 at this port: the server is bound to 127.0.0.1 alone.
    const answer = await exchange(
      client(),
      { ...route, addresses: ['127.0.0.2', '127.0.0.1'] },
      {},
      new ExchangeRecorder(),
    ).finished;
    assert.equal(answer.text, 'secret');
    assert.deepEqual(answer.connected, ['127.0.0.1']);
  });

  test('a refused connection is said with its address', async () => {
    const gone = createTcpServer();
    const port = await portOf(gone);
    gone.close();
    await once(gone, 'close');
    const route: Route = { scheme: 'http', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error?.kind, 'connect');
    assert.match(
      answer.error?.message ?? '',
      new RegExp(`upstream\\.test:${port} \\(127\\.0\\.0\\.1\\) refused`),
    );
  });

  test('a name among the addresses is never looked up', async () => {
    const route: Route = { scheme: 'http', host: 'localhost', port: 1, addresses: ['localhost'] };
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error?.kind, 'connect');
    assert.deepEqual(answer.connected, []);
  });

  test('no address at all is an error', async () => {
    const route: Route = { scheme: 'http', host: 'localhost', port: 1, addresses: [] };
    assert.equal(
      (await exchange(client(), route, {}, new ExchangeRecorder()).finished).error?.kind,
      'connect',
    );
  });

  test('a handshake that does not end is a timeout, 504, and its connection is closed', async () => {
    const closed = Promise.withResolvers<void>();
    const port = await portOf(
      createTcpServer((socket) => {
        socket
          .on('error', () => {})
          .on('close', () => closed.resolve())
          .resume();
      }),
    );
    const route: Route = { scheme: 'https', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
    const answer = await exchange(client(150), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error?.kind, 'timeout');
    assert.equal(answer.error?.status, 504);
    await closed.promise;
  });
});

describe('a raw connection', () => {
  test('keeps its own side open after the other side ended', async () => {
    const server = createTcpServer({ allowHalfOpen: true }, async (socket) => {
      socket.end('bye');
      let text = '';
      for await (const chunk of socket) text += chunk;
      heard.resolve(text);
    });
    const heard = Promise.withResolvers<string>();
    const route: Route = {
      scheme: 'tcp',
      host: '127.0.0.1',
      port: await portOf(server),
      addresses: ['127.0.0.1'],
    };
    const { socket, address } = await client().connect(route, new AbortController().signal);
    assert.equal(address, '127.0.0.1');
    socket.resume();
    await once(socket, 'end');
    socket.end('still here');
    assert.equal(await heard.promise, 'still here');
  });

  for (const scheme of ['tcp', 'https'] as const) {
    test(`gives its bytes to a reader (${scheme}) and pauses when told`, async () => {
      const serve = (socket: Socket) => socket.on('error', () => {}).end('some bytes');
      const server = scheme === 'tcp' ? createTcpServer(serve) : createTlsServer(leaf, serve);
      const route: Route = {
        scheme,
        host: 'upstream.test',
        port: await portOf(server),
        addresses: ['127.0.0.1'],
      };
      let text = '';
      const first = Promise.withResolvers<void>();
      const { socket } = await client().connect(route, new AbortController().signal, {
        buffer: new Uint8Array(4),
        read(bytes) {
          text += Buffer.from(bytes).toString();
          first.resolve();
          return false;
        },
      });
      await first.promise;
      const ended = once(socket, 'end');
      while (text.length < 10) {
        socket.resume();
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.resume();
      await ended;
      assert.equal(text, 'some bytes');
      socket.destroy();
    });
  }

  test('an abort within the dial rejects and leaves nothing open', async () => {
    const closed = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<void>();
    const port = await portOf(
      createTcpServer((socket) => {
        accepted.resolve();
        socket
          .on('error', () => {})
          .on('close', () => closed.resolve())
          .resume();
      }),
    );
    const route: Route = { scheme: 'https', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
    const abort = new AbortController();
    const dialled = client().connect(route, abort.signal);
    await accepted.promise;
    abort.abort();
    await assert.rejects(dialled, { kind: 'connect' });
    await closed.promise;
  });
});
