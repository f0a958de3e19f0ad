/**
 * boundary beside squid (ssl-bump) and tinyproxy, all three in one run on this machine: CPU per request, requests per
 * second, first byte, peak memory. Rounds alternate and shuffle, the median of the rounds is printed, with each
 * figure's ratio to squid's. The configurations are in ./config. A report, not a test: nothing here passes or fails.
 *
 *   node test/bench/main.ts [--rounds 3] [--scale 1] [--only NAME,NAME] [--write FILE]
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSeconds, peakMiB, resetPeak } from './process-tree.ts';
import { type Running, startBoundary, startSquid, startTinyproxy, startUpstream } from './proxies.ts';
import { pathsFor, SCENARIOS, type Scenario } from './scenarios.ts';

interface Sample {
  readonly rate: number;
  readonly cpu: number;
  readonly firstByte: number;
  readonly peak: number;
  readonly failures: number;
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
    write: { type: 'string' },
  },
});

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** The part of a scenario's requests that a proxy is given where it takes a thread and a connection for each of them. */
const SHARE: Readonly<Record<string, number>> = { tinyproxy: 0.1 };

async function measure(
  scenario: Scenario,
  proxy: Running | null,
  upstream: Running,
  scale: number,
): Promise<Sample> {
  if (proxy) resetPeak(proxy.pid);
  const before = proxy ? cpuSeconds(proxy.pid) : 0;
  const share = scenario.measure === 'bytes' ? 1 : (SHARE[proxy?.name ?? ''] ?? 1);
  const result = await scenario.run(pathsFor(proxy, upstream, scenario.port), scale * share);
  const cpu = proxy ? cpuSeconds(proxy.pid) - before : 0;
  const work = scenario.measure === 'bytes' ? result.bytes / 2 ** 30 : result.requests / 10_000;
  const rate =
    scenario.measure === 'bytes' ? result.bytes / 2 ** 20 / result.seconds : result.requests / result.seconds;
  return {
    rate,
    cpu: cpu / work,
    firstByte: median(result.firstByte),
    peak: proxy ? peakMiB(proxy.pid) : 0,
    failures: result.failures,
  };
}

const UNITS = {
  requests: 'requests/s',
  connections: 'connections/s',
  bytes: 'MiB/s',
  'first-byte': 'requests/s',
} as const;

function table(scenario: Scenario, samples: ReadonlyMap<string, readonly Sample[]>): string {
  const pick = (name: string, key: keyof Sample) =>
    median((samples.get(name) ?? []).map((sample) => sample[key]));
  const cpuUnit = scenario.measure === 'bytes' ? 'CPU s per GiB' : 'CPU s per 10,000';
  const lines = [
    `### ${scenario.title}`,
    '',
    `| | ${UNITS[scenario.measure]} | ${cpuUnit} | first byte, ms | peak MiB | to squid: speed | to squid: CPU | failures |`,
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const name of samples.keys()) {
    const speed = pick(name, 'rate') / pick('squid', 'rate');
    const cpu = pick(name, 'cpu') / pick('squid', 'cpu');
    const direct = name === 'direct';
    lines.push(
      `| ${name} | ${pick(name, 'rate').toFixed(0)} | ${direct ? '' : pick(name, 'cpu').toFixed(2)} | ${(pick(name, 'firstByte') * 1000).toFixed(2)} | ${direct ? '' : pick(name, 'peak').toFixed(0)} | ${speed.toFixed(2)} | ${direct ? '' : cpu.toFixed(2)} | ${(samples.get(name) ?? []).reduce((sum, sample) => sum + sample.failures, 0)} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}

const dir = mkdtempSync(join(tmpdir(), 'boundary-bench-'));
// squid, nginx and tinyproxy drop root and read their own directories below this one.
chmodSync(dir, 0o755);
const running: Running[] = [];
try {
  const upstream = await startUpstream(join(dir, 'nginx'));
  running.push(upstream);
  const ca = upstream.ca.join('\n');
  const proxies: (Running | null)[] = [
    await startBoundary(join(dir, 'boundary'), upstream, ca),
    await startSquid(join(dir, 'squid'), ca),
    await startTinyproxy(join(dir, 'tinyproxy')),
    null,
  ];
  for (const proxy of proxies) if (proxy) running.push(proxy);
  const rounds = Number(options.rounds);
  const scale = Number(options.scale);
  const only = options.only?.split(',');
  const versions = proxies.flatMap((proxy) => (proxy ? [proxy.version] : [])).join(', ');
  const report = [
    `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? 'CPU'}; ${versions}; median of ${rounds} rounds, alternating and shuffled.`,
    'CPU is that of the proxy alone (all its processes); the load generator and nginx share the same cores.\n',
  ];
  console.log(report.join('\n'));
  for (const scenario of SCENARIOS) {
    if (only && !only.includes(scenario.name)) continue;
    const takers = proxies.filter((proxy) => !proxy || proxy.ports[scenario.port] !== undefined);
    const samples = new Map<string, Sample[]>(takers.map((proxy) => [proxy?.name ?? 'direct', []]));
    // Warm: connections made, caches filled, code compiled. Proxies run for days.
    for (const proxy of takers) await measure(scenario, proxy, upstream, scale);
    for (let round = 0; round < rounds; round++) {
      for (const proxy of shuffled(takers)) {
        samples.get(proxy?.name ?? 'direct')?.push(await measure(scenario, proxy, upstream, scale));
      }
    }
    const text = table(scenario, samples);
    console.log(text);
    report.push(text);
  }
  if (options.write) writeFileSync(options.write, `${report.join('\n')}`);
} finally {
  for (const one of running.reverse()) await one.stop();
  rmSync(dir, { recursive: true, force: true });
}
