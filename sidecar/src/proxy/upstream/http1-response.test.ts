import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { describe, test } from 'node:test';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { client, http, listening, raw } from '../../../../test/harness/plain-upstreams.ts';

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
