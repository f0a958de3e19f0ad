import assert from 'node:assert/strict';
import { createServer as createTcpServer } from 'node:net';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { client, listening, raw } from '../../../../test/harness/plain-upstreams.ts';

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
