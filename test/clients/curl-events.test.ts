import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { allowing, bareEnvironment, ca, startSite } from '../harness/behind-boundary.ts';
import { startSidecar } from '../harness/boundary.ts';

const home = mkdtempSync(join(tmpdir(), 'boundary-events-'));
after(() => rmSync(home, { recursive: true }));

// The upstream sends an event only after curl has printed the one before: what buffered them would stop both.
for (const http2 of [false, true]) {
  for (const flag of ['--http1.1', '--http2']) {
    test(`server-sent events by curl ${flag}, upstream ${http2 ? 'HTTP/2' : 'HTTP/1.1'}: each is seen before the next is sent`, {
      timeout: 60_000,
    }, async () => {
      const begun = Promise.withResolvers<(event: string | null) => void>();
      await using site = await startSite({
        http2,
        handler: (_request, response) => {
          response.setHeader('content-type', 'text/event-stream');
          begun.resolve(
            (event) => void (event === null ? response.end() : response.write(`data: ${event}\n\n`)),
          );
        },
      });
      await using sidecar = await startSidecar({ policy: allowing(site.rule), upstreamCa: ca.caPem });
      const curl = spawn(
        'curl',
        ['-sSN', flag, '-x', sidecar.proxyUrl, '--cacert', sidecar.bundlePath, `${site.origin}/events`],
        {
          env: bareEnvironment(home),
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let printed = '';
      curl.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        printed += chunk;
      });
      const ended = once(curl, 'close');
      const send = await begun.promise;
      for (let n = 1; n <= 5; n++) {
        send(String(n));
        while (!printed.endsWith(`data: ${n}\n\n`)) await once(curl.stdout, 'data');
      }
      send(null);
      assert.equal((await ended)[0], 0);
      assert.equal(printed, [1, 2, 3, 4, 5].map((n) => `data: ${n}\n\n`).join(''));
    });
  }
}

test('a head without a body yet reaches curl before the first event', { timeout: 60_000 }, async () => {
  const begun = Promise.withResolvers<() => void>();
  await using site = await startSite({
    handler: (_request, response) => {
      response.setHeader('content-type', 'text/event-stream');
      assert.ok(response instanceof ServerResponse);
      response.flushHeaders();
      begun.resolve(() => void response.end('data: late\n\n'));
    },
  });
  await using sidecar = await startSidecar({ policy: allowing(site.rule), upstreamCa: ca.caPem });
  const curl = spawn(
    'curl',
    ['-sSNv', '-x', sidecar.proxyUrl, '--cacert', sidecar.bundlePath, `${site.origin}/events`],
    {
      env: bareEnvironment(home),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const printed = text(curl.stdout);
  let said = '';
  curl.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const ended = once(curl, 'close');
  const finish = await begun.promise;
  while (!/< content-type: text\/event-stream/i.test(said)) await once(curl.stderr, 'data');
  finish();
  assert.equal((await ended)[0], 0);
  assert.equal(await printed, 'data: late\n\n');
});
