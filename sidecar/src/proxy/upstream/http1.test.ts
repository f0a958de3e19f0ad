import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { ExchangeRecorder, exchange, UpgradeRecorder } from '../../../../test/harness/exchange-recorder.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import type { Route, UpstreamClient } from '../upstream-types.ts';
import { createUpstream } from './create-upstream.ts';

const clients: UpstreamClient[] = [];
const closers: (() => void)[] = [];
after(async () => {
  for (const close of closers) close();
  await Promise.all(clients.map((client) => client.close()));
});

function client(): UpstreamClient {
  const made = createUpstream({ ca: [], metrics: createMetrics().metrics });
  clients.push(made);
  return made;
}

async function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<Route> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { scheme: 'http', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
}

const http = (listener: RequestListener): Promise<Route> => listening(createHttpServer(listener));

/** A server that reads the request's head and then does as told. */
async function raw(serve: (socket: Socket, head: string, nth: number) => void): Promise<Route> {
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

describe('a request on the wire', () => {
  const cases: { name: string; request: Parameters<typeof exchange>[2]; head: string }[] = [
    {
      name: 'header names keep order and case, and nothing is added',
      request: { path: '/a?b=c', headers: ['x-first', '1', 'HOST', 'upstream.test', 'X-Second', 'ä'] },
      head: 'GET /a?b=c HTTP/1.1\r\nx-first: 1\r\nHOST: upstream.test\r\nX-Second: ä\r\n\r\n',
    },
    {
      name: 'OPTIONS *',
      request: { method: 'OPTIONS', path: '*', headers: ['Host', 'h'] },
      head: 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n',
    },
    {
      name: 'a length of nothing stays',
      request: { method: 'POST', headers: ['Content-Length', '0', 'Host', 'h'] },
      head: 'POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\n\r\n',
    },
    {
      name: 'a length without its body goes',
      request: { method: 'POST', headers: ['Content-Length', '5', 'Host', 'h'] },
      head: 'POST / HTTP/1.1\r\nHost: h\r\n\r\n',
    },
    {
      name: 'a sized body keeps the place of its length, which is the true one',
      request: {
        method: 'PUT',
        headers: ['content-length', '99', 'Content-Length', '98', 'Host', 'h'],
        body: Readable.from([Buffer.from('abc')]),
        contentLength: 3,
      },
      head: 'PUT / HTTP/1.1\r\ncontent-length: 3\r\nHost: h\r\n\r\n',
    },
    {
      name: 'a chunked body says so once and has no length',
      request: {
        method: 'POST',
        headers: ['Transfer-Encoding', 'gzip', 'Content-Length', '3', 'Host', 'h'],
        body: Readable.from([Buffer.from('abc')]),
      },
      head: 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n',
    },
  ];
  for (const { name, request, head } of cases) {
    test(name, async () => {
      let seen = '';
      const route = await raw((socket, bytes) => {
        seen ||= bytes;
        socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
      });
      const answer = await exchange(client(), route, request, new ExchangeRecorder()).finished;
      assert.equal(answer.error, null);
      assert.equal(answer.status, 204);
      assert.equal(seen, head);
      assert.deepEqual(answer.connected, ['127.0.0.1']);
    });
  }

  for (const [what, request] of [
    ['a line break in a value', { headers: ['Host', 'h', 'X-A', 'b\r\nX-Evil: 1'] }],
    ['a character that becomes a line break', { headers: ['Host', 'h', 'X-A', 'b\u010aX-Evil: 1'] }],
    ['a line break in a name', { headers: ['Host', 'h', 'X-A: 1\nX-B', 'b'] }],
    ['a space in the path', { path: '/a HTTP/1.1' }],
  ] as const) {
    test(`${what} is refused before anything is sent`, async () => {
      let connections = 0;
      const route = await raw(() => connections++);
      const answer = await exchange(client(), route, request, new ExchangeRecorder()).finished;
      assert.equal(answer.error?.kind, 'protocol');
      assert.equal(connections, 0);
    });
  }

  for (const [what, chunks, length] of [
    ['more body than announced', ['abc', 'def'], 5],
    ['less body than announced', ['abc'], 5],
  ] as const) {
    test(`${what} closes the connection`, async () => {
      const closed = Promise.withResolvers<number>();
      const route = await listening(
        createTcpServer((socket) => {
          let body = 0;
          socket.on('error', () => {});
          socket.on('data', (bytes) => {
            body += bytes.length;
          });
          socket.on('close', () => closed.resolve(body));
        }),
      );
      const body = Readable.from(chunks.map((text) => Buffer.from(text)));
      const answer = await exchange(
        client(),
        route,
        { method: 'PUT', headers: ['Host', 'h'], body, contentLength: length },
        new ExchangeRecorder(),
      ).finished;
      assert.equal(answer.error?.kind, 'protocol');
      const head = 'PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n'.length;
      assert.ok((await closed.promise) <= head + 3);
    });
  }
});

describe('a response', () => {
  test('raw headers, trailers and early hints come as they were sent', async () => {
    const route = await raw((socket) =>
      socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine Thing\r\nset-COOKIE: a\r\nSet-Cookie: b\r\n' +
          'Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\nx-t: 2\r\n\r\n',
      ),
    );
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error, null);
    assert.deepEqual(answer.informational, [{ status: 103, rawHeaders: ['Link', '</a>'] }]);
    assert.equal(answer.statusText, 'Fine Thing');
    assert.deepEqual(answer.rawHeaders.slice(0, 4), ['set-COOKIE', 'a', 'Set-Cookie', 'b']);
    assert.equal(answer.text, 'abc');
    assert.deepEqual(answer.trailers, ['X-T', '1', 'x-t', '2']);
  });

  test('two hundred headers all come', async () => {
    const route = await http((_request, response) => {
      for (let i = 0; i < 200; i++) response.setHeader(`X-Many-${i}`, String(i));
      response.end('ok');
    });
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(
      answer.rawHeaders.filter((_, i) => i % 2 === 0).filter((n) => n.startsWith('X-Many-')).length,
      200,
    );
  });

  test('HEAD keeps the length and the connection', async () => {
    let connections = 0;
    const server = createHttpServer((_request, response) =>
      response.writeHead(200, { 'Content-Length': 5 }).end(),
    );
    server.on('connection', () => connections++);
    const route = await listening(server);
    const upstream = client();
    for (let i = 0; i < 2; i++) {
      const answer = await exchange(upstream, route, { method: 'HEAD' }, new ExchangeRecorder()).finished;
      assert.equal(answer.error, null);
      assert.ok(answer.rawHeaders.includes('Content-Length'));
      assert.equal(answer.bytes, 0);
    }
    assert.equal(connections, 1);
  });

  test('a body without length ends with its connection', async () => {
    const route = await raw((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end'));
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error, null);
    assert.equal(answer.text, 'until the end');
  });

  const faults: { name: string; bytes: string; kind: string; started: boolean }[] = [
    {
      name: 'closed within a sized body',
      bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
      kind: 'reset',
      started: true,
    },
    {
      name: 'closed within a chunked body',
      bytes: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      kind: 'reset',
      started: true,
    },
    { name: 'closed without an answer', bytes: '', kind: 'reset', started: false },
    { name: 'closed within the head', bytes: 'HTTP/1.1 200 OK\r\nX-A', kind: 'reset', started: false },
    { name: 'no HTTP', bytes: 'SSH-2.0-OpenSSH\r\n', kind: 'protocol', started: false },
    {
      name: 'two lengths',
      bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      kind: 'protocol',
      started: false,
    },
    {
      name: 'length and coding',
      bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      kind: 'protocol',
      started: false,
    },
    {
      name: 'huge head',
      bytes: `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`,
      kind: 'protocol',
      started: false,
    },
    {
      name: 'unasked 101',
      bytes: 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      kind: 'protocol',
      started: false,
    },
  ];
  for (const { name, bytes, kind, started } of faults) {
    test(`${name} is an error, not an end`, async () => {
      const route = await raw((socket) => socket.end(bytes, 'latin1'));
      const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
      assert.equal(answer.ended, false);
      assert.equal(answer.error?.kind, kind);
      assert.equal(answer.error?.status, 502);
      assert.equal(answer.error?.started, started);
      assert.match(answer.error?.message ?? '', /upstream\.test/);
    });
  }

  test('a reset within the body is an error', async () => {
    const route = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc', () => socket.resetAndDestroy());
    });
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.ended, false);
    assert.equal(answer.error?.kind, 'reset');
  });

  test('bytes behind an answer are never the next answer', async () => {
    const route = await raw((socket, _head, nth) =>
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${nth}${nth === 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil' : ''}`,
      ),
    );
    const upstream = client();
    const first = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    assert.equal(first.text, '0');
    const second = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    assert.equal(second.text, '1');
  });
});

describe('the course of an exchange', () => {
  test('100-continue is passed on, and the body follows it', async () => {
    const server = createHttpServer();
    server.on('checkContinue', (request, response) => {
      response.writeContinue();
      request.pipe(response);
    });
    const route = await listening(server);
    const body = new PassThrough();
    const recorder = new ExchangeRecorder();
    const informed = Promise.withResolvers<void>();
    recorder.onInformational = (status) => {
      assert.equal(status, 100);
      informed.resolve();
    };
    const headers = ['Host', 'h', 'Expect', '100-continue'];
    exchange(
      client(),
      route,
      { method: 'PUT', headers, body, contentLength: 4, expectContinue: true },
      recorder,
    );
    await informed.promise;
    body.end('body');
    assert.equal((await recorder.finished).text, 'body');
  });

  test('an answer that comes before the upload ends is passed on, and the upload is let go', async () => {
    const closed = Promise.withResolvers<void>();
    const route = await raw((socket) => {
      socket.on('end', () => closed.resolve()).on('close', () => closed.resolve());
      socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
    });
    const body = new PassThrough();
    body.write('first');
    const answer = await exchange(client(), route, { method: 'POST', body }, new ExchangeRecorder()).finished;
    assert.equal(answer.error, null);
    assert.equal(answer.status, 413);
    assert.equal(answer.text, 'no');
    await closed.promise;
    assert.equal(body.destroyed, false);
    assert.equal(body.listenerCount('data'), 0);
  });

  test('both bodies flow at the same time', async () => {
    const route = await http((request, response) => request.pipe(response));
    const body = new PassThrough();
    const recorder = new ExchangeRecorder();
    const pieces: string[] = [];
    const arrived = Promise.withResolvers<void>();
    recorder.onChunk = (chunk) => {
      pieces.push(chunk.toString());
      if (pieces.length === 1) arrived.resolve();
      return true;
    };
    exchange(client(), route, { method: 'POST', body }, recorder);
    body.write('one');
    await arrived.promise;
    body.end('two');
    await recorder.finished;
    assert.equal(pieces.join(), 'one,two');
  });

  test('a request body that breaks off cancels the upstream', async () => {
    const aborted = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const route = await http((request) => {
      request.on('data', () => begun.resolve());
      request.on('error', () => aborted.resolve());
    });
    const body = new PassThrough();
    const recorder = exchange(client(), route, { method: 'POST', body }, new ExchangeRecorder());
    body.write('part');
    await begun.promise;
    body.destroy();
    await aborted.promise;
    assert.equal((await recorder.finished).error?.kind, 'reset');
  });

  test('abort closes the connection and says nothing more', async () => {
    const gone = Promise.withResolvers<void>();
    const route = await http((request, response) => {
      request.on('close', () => gone.resolve());
      response.write('first');
    });
    const recorder = exchange(client(), route, {}, new ExchangeRecorder());
    await recorder.headed;
    recorder.exchange?.abort();
    recorder.exchange?.abort();
    await gone.promise;
    assert.equal(recorder.ended, false);
    assert.equal(recorder.error, null);
  });

  test('abort within the dial is silent', async () => {
    const upstream = client();
    const route = await http((_request, response) => response.end());
    const recorder = exchange(upstream, route, {}, new ExchangeRecorder());
    recorder.exchange?.abort();
    const next = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
    assert.equal(next.status, 200);
    assert.deepEqual(recorder.connected, []);
    assert.equal(recorder.error, null);
  });

  test('an upgrade hands the connection over with the bytes behind the 101', async () => {
    const route = await raw((socket) => {
      socket.removeAllListeners('data');
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello');
      socket.pipe(socket);
    });
    const headers = ['Host', 'h', 'Connection', 'Upgrade', 'Upgrade', 'echo'];
    const recorder = await exchange(client(), route, { headers }, new UpgradeRecorder()).upgraded;
    const socket = recorder.upgrade?.socket;
    assert.ok(socket);
    assert.equal(recorder.upgrade?.head.toString(), 'hello');
    socket.end('over there');
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.equal(text, 'over there');
  });

  test('an upgrade that is refused is an ordinary answer', async () => {
    const route = await http((_request, response) => response.writeHead(403).end('no'));
    const headers = ['Host', 'h', 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    const answer = await exchange(client(), route, { headers }, new UpgradeRecorder()).finished;
    assert.equal(answer.status, 403);
    assert.equal(answer.text, 'no');
  });
});

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
