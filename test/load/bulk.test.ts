import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { allowing, bareEnvironment, ca, type Site, startSite } from '../harness/behind-boundary.ts';
import { type Sidecar, startSidecar } from '../harness/boundary.ts';
import { peakMemory } from './process-figures.ts';

const GIB = 1024 ** 3;
const CHUNK = Buffer.alloc(1024 * 1024, 'boundary');

/** Sends 1 GiB for a GET, as fast as it is taken; counts what a PUT brings. */
function bulk(): Promise<Site> {
  return startSite({
    handler(request, response) {
      if (request.method === 'GET') {
        response.setHeader('content-length', String(GIB));
        let left = GIB / CHUNK.length;
        const more = () => {
          while (left > 0) {
            left -= 1;
            if (!response.write(CHUNK)) return;
          }
          response.end();
        };
        response.on('drain', more);
        more();
        return;
      }
      let length = 0;
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on('end', () => response.end(String(length)));
    },
  });
}

async function curl(sidecar: Sidecar, command: string, site: Site): Promise<string> {
  const child = spawn('sh', ['-c', command], {
    env: {
      ...bareEnvironment(tmpdir()),
      https_proxy: sidecar.proxyUrl,
      CURL_CA_BUNDLE: sidecar.bundlePath,
      ORIGIN: site.origin,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = text(child.stdout);
  const [code] = await once(child, 'close');
  assert.equal(code, 0, await said);
  return said;
}

for (const flag of ['--http1.1', '--http2']) {
  for (const { direction, command, said } of [
    {
      direction: 'down',
      command: `curl -sS ${flag} -o /dev/null -w '%{size_download}' "$ORIGIN/"`,
      said: String(GIB),
    },
    {
      direction: 'up',
      command: `head -c ${GIB} /dev/zero | curl -sS ${flag} -T - "$ORIGIN/"`,
      said: String(GIB),
    },
  ]) {
    test(`1 GiB ${direction} by curl ${flag} through opened TLS adds less than 100 MiB to the proxy`, {
      timeout: 300_000,
    }, async (context) => {
      await using site = await bulk();
      await using sidecar = await startSidecar({ policy: allowing(site.rule), upstreamCa: ca.caPem });
      const pid = sidecar.process.pid as number;
      // The launcher replaces itself by the program, so this is the program.
      await curl(sidecar, `head -c 1000 /dev/zero | curl -sS ${flag} -T - "$ORIGIN/"`, site);
      const before = peakMemory(pid);
      assert.equal(await curl(sidecar, command, site), said);
      const added = peakMemory(pid) - before;
      context.diagnostic(
        `added ${(added / 1024 ** 2).toFixed(1)} MiB to ${(before / 1024 ** 2).toFixed(1)} MiB`,
      );
      assert.ok(added < 100 * 1024 ** 2, `${added} bytes`);
    });
  }
}
