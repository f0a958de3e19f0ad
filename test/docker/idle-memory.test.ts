/** What a boundary costs a Docker host while its workspace does nothing. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { HOST_NAME } from '../harness/deployment.ts';
import { docker } from '../harness/docker-cli.ts';
import { startFourContainers } from '../harness/four-containers.ts';
import { startUpstream } from '../harness/upstream.ts';

const MOST_MB = { netns: 2, gate: 60, together: 160 };
const PARTS = ['netns', 'gate', 'sidecar'] as const;

const MULTIPLES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Megabytes (10^6 bytes) that the engine says a container uses, as `docker stats` shows it: without the page cache. */
async function used(container: string): Promise<number> {
  const shown = await docker(['stats', '--no-stream', '--format', '{{.MemUsage}}', container]);
  const [, number, unit = ''] = /^([\d.]+)([A-Za-z]+) \//.exec(shown) ?? [];
  const multiple = MULTIPLES[unit];
  if (multiple === undefined) throw new Error(`docker stats says ${shown} of ${container}`);
  return (Number(number) * multiple) / 1e6;
}

/** Megabytes that a process has resident, pages that it shares with others included. */
function resident(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

test('netns, gate and sidecar of an idle workspace are small', async (context) => {
  const site = await startUpstream({ host: '0.0.0.0' });
  context.after(() => site.close());
  const policy = `allow:\n  - { domain: ${HOST_NAME}, port: ${site.port}, private: true }\n  - preset: github\n  - registry: npm\n`;
  await using workspace = await startFourContainers({ policy });
  // It has done everything once: a name, an allowed request, a denied one.
  const url = `http://${HOST_NAME}:${site.port}/`;
  await workspace.behind.run(['curl', '-sS', url, 'http://denied.example/', 'https://denied.example/']);
  const sizes = new Map<string, number>();
  for (const part of PARTS) {
    const size = await used(workspace.behind.names[part]);
    const own = resident(await workspace.behind.pid(part));
    sizes.set(part, size);
    context.diagnostic(`${part}: ${size.toFixed(1)} MB by the engine, ${own.toFixed(1)} MB resident`);
  }
  const { netns = Number.NaN, gate = Number.NaN } = Object.fromEntries(sizes);
  const together = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  context.diagnostic(`together: ${together.toFixed(1)} MB by the engine`);
  assert.ok(netns < MOST_MB.netns, `netns ${netns} MB`);
  assert.ok(gate < MOST_MB.gate, `gate ${gate} MB`);
  assert.ok(together < MOST_MB.together, `together ${together} MB`);
});
