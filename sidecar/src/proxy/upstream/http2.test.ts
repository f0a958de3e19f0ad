import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants, createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { createTestCa } from '../../../../test/harness/test-ca.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import type { Route } from '../upstream-types.ts';
import { createUpstream } from './create-upstream.ts';

const ca = createTestCa();
const leaf = ca.issue(['upstream.test']);
const upstream = createUpstream({ ca: [ca.caPem], metrics: createMetrics().metrics });
const closers: (() => void)[] = [];
after(async () => {
  for (const close of closers) close();
  await upstream.close();
});

type Serve = (stream: ServerHttp2Stream, headers: Record<string, unknown>, raw: string[]) => void;

async function http2(
  serve: Serve,
  scheme: 'http' | 'https' = 'https',
): Promise<Route & { sessions: () => number }> {
  let sessions = 0;
  const server = scheme === 'https' ? createSecureServer(leaf) : createServer();
  server.on('session', (session) => {
    sessions++;
    closers.push(() => session.destroy());
  });
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw) => {
    stream.on('error', () => {});
    serve(stream, headers, raw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { scheme, host: 'upstream.test', port, addresses: ['127.0.0.1'], sessions: () => sessions };
}

const grpc = (route: Route, request: Parameters<typeof exchange>[2]) =>
  exchange(upstream, route, request, new ExchangeRecorder(), 'requestHttp2');

describe('over HTTP/2', () => {
  for (const scheme of ['https', 'http'] as const) {
    test(`trailers go both ways (${scheme})`, async () => {
      let seen: unknown;
      const route = await http2((stream) => {
        stream.on('trailers', (trailers) => {
          seen = trailers['x-request-trailer'];
        });
        let body = '';
        stream.on('data', (chunk) => {
          body += chunk;
        });
        stream.on('end', () => {
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-body': body }));
          stream.end('answer');
        });
      }, scheme);
      const answer = await grpc(route, {
        method: 'POST',
        path: '/pkg.Service/Call',
        headers: ['Host', 'upstream.test', 'TE', 'trailers', 'Content-Type', 'application/grpc'],
        body: Readable.from([Buffer.from('ques'), Buffer.from('tion')]),
        trailers: () => ['X-Request-Trailer', 'yes'],
      }).finished;
      assert.equal(answer.error, null);
      assert.equal(answer.text, 'answer');
      assert.deepEqual(answer.trailers, ['grpc-status', '0', 'x-body', 'question']);
      assert.equal(seen, 'yes');
      assert.deepEqual(answer.connected, ['127.0.0.1']);
    });
  }

  test('a trailers-only answer is a head and an end in one tick', async () => {
    const route = await http2((stream) => {
      stream.respond(
        { ':status': 200, 'grpc-status': '5', 'grpc-message': 'not found' },
        { endStream: true },
      );
    });
    const recorder = new ExchangeRecorder();
    let endedInTick = false;
    const onHead = recorder.onHead.bind(recorder);
    recorder.onHead = (...head) => {
      onHead(...head);
      queueMicrotask(() => {
        endedInTick = recorder.ended;
      });
    };
    const request = { method: 'POST', body: Readable.from([Buffer.from('q')]) };
    await exchange(upstream, route, request, recorder, 'requestHttp2').finished;
    assert.deepEqual(recorder.rawHeaders.slice(0, 4), ['grpc-status', '5', 'grpc-message', 'not found']);
    assert.deepEqual(recorder.trailers, []);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(endedInTick);
  });

  test('Host becomes the authority, and what belongs to a connection is not sent', async () => {
    let seen: string[] = [];
    const route = await http2((stream, _headers, raw) => {
      seen = raw;
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const headers = [
      'Host',
      'upstream.test:8443',
      'Connection',
      'x',
      'Keep-Alive',
      '1',
      'Expect',
      'a',
      'X-A',
      '1',
      'x-a',
      '2',
    ];
    await grpc(route, { headers, path: '/p?q' }).finished;
    const pairs = seen.flatMap((name, i) => (i % 2 === 0 ? [`${name}=${seen[i + 1]}`] : []));
    assert.deepEqual(
      pairs.sort(),
      [
        ':authority=upstream.test:8443',
        ':method=GET',
        ':path=/p?q',
        ':scheme=https',
        'x-a=1',
        'x-a=2',
      ].sort(),
    );
  });

  test('many at once share a connection', async () => {
    const route = await http2((stream) => {
      stream.respond({ ':status': 200 });
      stream.end('x');
    });
    const answers = await Promise.all(Array.from({ length: 60 }, () => grpc(route, {}).finished));
    assert.ok(answers.every((answer) => answer.text === 'x'));
    assert.equal(route.sessions(), 1);
  });

  test('a stream flows both ways and its answer may end first', async () => {
    const route = await http2((stream) => {
      stream.respond({ ':status': 200 });
      stream.once('data', (chunk) => stream.end(chunk));
    });
    const body = new PassThrough();
    body.write('ping');
    const answer = await grpc(route, { method: 'POST', body }).finished;
    assert.equal(answer.text, 'ping');
    assert.equal(body.destroyed, false);
  });

  const resets: { name: string; serve: Serve }[] = [
    { name: 'reset before an answer', serve: (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR) },
    {
      name: 'reset within an answer',
      serve: (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('part', () => stream.destroy(new Error('broken')));
      },
    },
    {
      name: 'reset without an error within an answer',
      serve: (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('part', () => stream.destroy());
      },
    },
  ];
  for (const { name, serve } of resets) {
    test(`a stream that is ${name} is an error, not an end`, async () => {
      const answer = await grpc(await http2(serve), {}).finished;
      assert.equal(answer.ended, false);
      assert.equal(answer.error?.kind, 'reset');
      assert.match(answer.error?.message ?? '', /upstream\.test/);
    });
  }

  test('a session that dies fails its streams, and the next request makes a new one', async () => {
    let nth = 0;
    const route = await http2((stream) => {
      if (nth++ === 0) return stream.session?.destroy();
      stream.respond({ ':status': 200 });
      stream.end('again');
    });
    const first = await grpc(route, {}).finished;
    assert.equal(first.error?.kind, 'reset');
    const second = await grpc(route, {}).finished;
    assert.equal(second.text, 'again');
  });

  test('abort cancels the stream and leaves the connection', async () => {
    const cancelled = Promise.withResolvers<number | undefined>();
    let nth = 0;
    const route = await http2((stream) => {
      stream.respond({ ':status': 200 });
      if (nth++ > 0) return stream.end('next');
      stream.write('first');
      stream.on('close', () => cancelled.resolve(stream.rstCode));
    });
    const recorder = grpc(route, {});
    await recorder.headed;
    recorder.exchange?.abort();
    assert.equal(await cancelled.promise, constants.NGHTTP2_CANCEL);
    assert.equal((await grpc(route, {}).finished).text, 'next');
    assert.equal(route.sessions(), 1);
    assert.equal(recorder.error, null);
  });

  test('an upstream without HTTP/2 is a protocol error', async () => {
    const server = createHttpsServer(leaf, (_request, response) => response.end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const route: Route = { scheme: 'https', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
    const answer = await grpc(route, {}).finished;
    assert.equal(answer.error?.status, 502);
    assert.ok(answer.error && ['protocol', 'tls'].includes(answer.error.kind), answer.error?.kind);
  });

  test('4 MiB each way with pauses arrive whole', async () => {
    const route = await http2((stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    const piece = Buffer.alloc(64 * 1024, 7);
    const recorder = new ExchangeRecorder(false);
    recorder.onChunk = () => {
      setImmediate(() => recorder.exchange?.resume());
      return false;
    };
    const body = Readable.from(Array.from({ length: 64 }, () => piece));
    await exchange(upstream, route, { method: 'POST', body }, recorder, 'requestHttp2').finished;
    assert.equal(recorder.error, null);
    assert.equal(recorder.bytes, 4 * 1024 * 1024);
  });
});
