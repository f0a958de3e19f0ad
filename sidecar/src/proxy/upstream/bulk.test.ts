import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
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

const SIZE = 64 * 1024 * 1024;
const PIECE = Buffer.from(Array.from({ length: 64 * 1024 }, (_, i) => (i * 31 + (i >> 8)) & 255));

async function serve(scheme: 'http' | 'https', listener: RequestListener): Promise<Route> {
  const server = scheme === 'https' ? createHttpsServer(leaf, listener) : createHttpServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { scheme, host: 'upstream.test', port, addresses: ['127.0.0.1'] };
}

/** SIZE bytes, made as they are asked for. */
function source(): Readable {
  let left = SIZE;
  return new Readable({
    highWaterMark: PIECE.length,
    read() {
      if (left === 0) this.push(null);
      else {
        left -= PIECE.length;
        this.push(PIECE);
      }
    },
  });
}

const hash = createHash('sha256');
for (let i = 0; i < SIZE / PIECE.length; i++) hash.update(PIECE);
const expected = hash.digest('hex');

describe('64 MiB both ways at once', () => {
  for (const scheme of ['http', 'https'] as const) {
    for (const sized of [true, false]) {
      test(`arrive whole over ${scheme}, ${sized ? 'sized' : 'chunked'}, with a reader that pauses`, async () => {
        const route = await serve(scheme, (request, response) => {
          if (sized) response.setHeader('Content-Length', SIZE);
          request.pipe(response);
        });
        const recorder = new ExchangeRecorder(false);
        let pieces = 0;
        recorder.onChunk = () => {
          if (++pieces % 64 !== 0) return true;
          setImmediate(() => recorder.exchange?.resume());
          return false;
        };
        exchange(
          upstream,
          route,
          { method: 'POST', body: source(), contentLength: sized ? SIZE : null },
          recorder,
        );
        await recorder.finished;
        assert.equal(recorder.error, null);
        assert.equal(recorder.bytes, SIZE);
        assert.equal(recorder.sha256, expected);
      });
    }
  }
});

describe('back-pressure', () => {
  test('a reader that does not resume stops the upstream', async () => {
    let written = 0;
    const stalled = Promise.withResolvers<void>();
    const route = await serve('http', (_request, response) => {
      const more = () => {
        while (written < SIZE) {
          written += PIECE.length;
          if (!response.write(PIECE)) break;
        }
      };
      response.on('drain', () => {
        more();
        clearTimeout(quiet);
        quiet = setTimeout(stalled.resolve, 300);
      });
      let quiet = setTimeout(stalled.resolve, 300);
      more();
    });
    const recorder = new ExchangeRecorder(false);
    recorder.onChunk = () => false;
    exchange(upstream, route, {}, recorder);
    await stalled.promise;
    assert.ok(written < SIZE / 2, `${written >> 20} MiB were taken from the upstream`);
    assert.ok(recorder.bytes <= 512 * 1024, `${recorder.bytes} bytes were handed over after the pause`);
    recorder.exchange?.abort();
  });

  test('an upstream that does not read stops the request body', async () => {
    const route = await serve('http', (request) => {
      request.pause();
      request.on('error', () => {});
    });
    let taken = 0;
    const stalled = Promise.withResolvers<void>();
    let quiet: NodeJS.Timeout | undefined;
    const body = new Readable({
      read() {
        taken += PIECE.length;
        clearTimeout(quiet);
        quiet = setTimeout(stalled.resolve, 300);
        this.push(taken > SIZE ? null : PIECE);
      },
    });
    const recorder = exchange(upstream, route, { method: 'POST', body }, new ExchangeRecorder());
    await stalled.promise;
    assert.ok(taken < SIZE / 2, `${taken >> 20} MiB were taken from the client`);
    recorder.exchange?.abort();
  });
});
