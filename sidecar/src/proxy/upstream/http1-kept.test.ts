import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { client, closers, http, listening, raw } from '../../../../test/harness/plain-upstreams.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import type { Route } from '../upstream-types.ts';
import { createUpstream } from './create-upstream.ts';

describe('kept connections', () => {
  test('one connection carries one request after the other', async () => {
    let connections = 0;
    const server = createHttpServer((request, response) => request.pipe(response));
    server.on('connection', () => connections++);
    const route = await listening(server);
    const upstream = client();
    for (let i = 0; i < 5; i++) {
      const body = Readable.from([Buffer.from(`n${i}`)]);
      const answer = await exchange(upstream, route, { method: 'POST', body }, new ExchangeRecorder())
        .finished;
      assert.equal(answer.text, `n${i}`);
    }
    assert.equal(connections, 1);
  });

  test('other judged addresses are another connection', async () => {
    const seen: string[] = [];
    const server = createHttpServer((request, response) => {
      seen.push(request.socket.localAddress ?? '');
      response.end();
    });
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const upstream = client();
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1']) {
      const route: Route = { scheme: 'http', host: 'upstream.test', port, addresses: [address] };
      await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    }
    assert.deepEqual(seen, ['127.0.0.1', '127.0.0.2', '127.0.0.1']);
  });

  for (const [method, retried] of [
    ['GET', true],
    ['POST', false],
  ] as const) {
    test(`a kept connection that closes under a ${method} is ${retried ? 'replaced' : 'an error'}`, async () => {
      let requests = 0;
      const route = await raw((socket, _head, nth) => {
        requests++;
        if (nth === 0 && requests === 2) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
      });
      const upstream = client();
      await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
      const answer = await exchange(upstream, route, { method }, new ExchangeRecorder()).finished;
      assert.equal(answer.error?.kind, retried ? undefined : 'reset');
      assert.equal(requests, retried ? 3 : 2);
    });
  }

  test('a new connection that closes without an answer is not tried again', async () => {
    let requests = 0;
    const route = await raw((socket) => {
      requests++;
      socket.destroy();
    });
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error?.kind, 'reset');
    assert.equal(requests, 1);
  });

  test('many at once, more than connections are allowed, all get an answer', async () => {
    let open = 0;
    let most = 0;
    const server = createHttpServer((_request, response) => setImmediate(() => response.end('x')));
    server.on('connection', (socket) => {
      most = Math.max(most, ++open);
      socket.on('close', () => open--);
    });
    const route = await listening(server);
    const upstream = client();
    const answers = await Promise.all(
      Array.from({ length: 700 }, () => exchange(upstream, route, {}, new ExchangeRecorder()).finished),
    );
    assert.equal(answers.filter((answer) => answer.text === 'x').length, 700);
    assert.ok(most <= 512, `${most} connections`);
  });

  test('the longest unused of many routes are forgotten, also while they are busy', async () => {
    let open = 0;
    const ends = new EventEmitter();
    const held = Promise.withResolvers<() => void>();
    const server = createHttpServer((request, response) => {
      if (request.url === '/held') held.resolve(() => response.end());
      else response.end();
    });
    server.on('connection', (socket) => {
      open++;
      socket.on('close', () => {
        open--;
        ends.emit('end');
      });
    });
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const upstream = client();
    const route = (n: number): Route => {
      return { scheme: 'http', host: 'many.test', port, addresses: [`127.0.${n >> 8}.${(n & 255) + 1}`] };
    };
    const busy = exchange(upstream, route(0), { path: '/held' }, new ExchangeRecorder());
    const release = await held.promise;
    for (let n = 1; n < 300; n++) await exchange(upstream, route(n), {}, new ExchangeRecorder()).finished;
    release();
    assert.equal((await busy.finished).status, 200);
    while (open > 256) await once(ends, 'end');
  });

  test('an upstream that keeps connections for a second gets a new one each time', async () => {
    let connections = 0;
    const route = await raw((socket, _head, nth) => {
      connections = nth + 1;
      socket.write('HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 1\r\n\r\nx');
    });
    const upstream = client();
    for (let i = 0; i < 3; i++) await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    assert.equal(connections, 3);
  });

  test('close waits for what is under way', async () => {
    const held = Promise.withResolvers<() => void>();
    const route = await http((_request, response) => {
      response.write('a');
      held.resolve(() => response.end('b'));
    });
    const upstream = createUpstream({ ca: [], metrics: createMetrics().metrics });
    const recorder = exchange(upstream, route, {}, new ExchangeRecorder());
    const finish = await held.promise;
    await recorder.headed;
    const closing = upstream.close();
    finish();
    assert.equal((await recorder.finished).text, 'ab');
    await closing;
  });
});
