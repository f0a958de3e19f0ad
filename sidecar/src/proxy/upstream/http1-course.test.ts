import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { ExchangeRecorder, exchange, UpgradeRecorder } from '../../../../test/harness/exchange-recorder.ts';
import { client, http, listening, raw } from '../../../../test/harness/plain-upstreams.ts';

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
