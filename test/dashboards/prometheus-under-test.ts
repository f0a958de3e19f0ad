import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { load } from 'js-yaml';

/** The shipped configuration and rules. */
export const prometheusDirectory = join(import.meta.dirname, '../../examples/prometheus');
export const scrapeMs = 500;

/** A scrape target with the labels that the configuration gives it. */
export interface Target {
  /** `HOST:PORT` */
  readonly address: string;
  readonly owner: string;
  readonly workspace: string;
}

/** One series of an answer; values as numbers, oldest first. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly state?: 'firing' | 'pending' | 'inactive';
}

export interface PrometheusUnderTest extends AsyncDisposable {
  /** The value of each series now. */
  query(expr: string): Promise<readonly Series[]>;
  /** The values of each series over the last `seconds`, one for each `stepMs`. */
  queryRange(expr: string, seconds: number, stepMs: number): Promise<readonly Series[]>;
  /** What Grafana's `label_values(selector, label)` asks. */
  labelValues(label: string, selector: string): Promise<readonly string[]>;
  rules(): Promise<readonly Rule[]>;
}

/** What a configuration says of where to scrape. */
export interface ScrapeJob {
  readonly job_name: string;
  readonly static_configs?: readonly { targets: readonly string[]; labels: Record<string, string> }[];
  readonly docker_sd_configs?: readonly Readonly<Record<string, unknown>>[];
  readonly relabel_configs?: readonly { readonly regex?: string; readonly target_label?: string }[];
}

export interface Configuration {
  readonly global: Readonly<Record<string, string>>;
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly ScrapeJob[];
}

/** A shipped file of examples/prometheus, as data. */
export function shippedFile<T>(name: string): T {
  return load(readFileSync(join(prometheusDirectory, name), 'utf8')) as T;
}

/** Puts targets in place of those that are written down. */
export function scraping(targets: readonly Target[]): (job: ScrapeJob) => ScrapeJob {
  const static_configs = targets.map(({ address, owner, workspace }) => ({
    targets: [address],
    labels: { owner, workspace },
  }));
  return (job) => ({ ...job, static_configs });
}

/**
 * Starts Debian's Prometheus with a shipped configuration and the shipped rules. Others are only the intervals, the
 * paths of the rule files, and what `change` makes of the one job.
 */
export async function startPrometheus(
  file: string,
  change: (job: ScrapeJob) => ScrapeJob,
): Promise<PrometheusUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-prometheus-'));
  const path = join(directory, 'prometheus.yml');
  writeFileSync(path, JSON.stringify(configurationOf(file, change)));
  const child = spawn(
    'prometheus',
    [
      `--config.file=${path}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = once(child, 'close');
  const lines: string[] = [];
  let origin = '';
  for await (const line of createInterface(child.stderr)) {
    lines.push(line);
    origin ||= /msg="Listening on" address=(\S+)/.exec(line)?.[1] ?? '';
    if (line.includes('Server is ready')) break;
  }
  if (origin === '') throw new Error(`prometheus ended before it was ready:\n${lines.join('\n')}`);
  child.stderr.resume();

  async function ask<T>(route: string, parameters: Readonly<Record<string, string>> = {}): Promise<T> {
    const body = new URLSearchParams(parameters);
    const post = route.startsWith('query');
    const url = `http://${origin}/api/v1/${route}${post ? '' : `?${body}`}`;
    const response = await fetch(url, post ? { method: 'POST', body } : {});
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${Object.values(parameters)[0]}`);
    return answer.data;
  }

  return {
    async query(expr) {
      const { result } = await ask<{ result: RawSeries[] }>('query', { query: expr });
      return result.map(({ metric, value }) => ({ labels: metric, values: numbers(value && [value]) }));
    },
    async queryRange(query, seconds, stepMs) {
      const end = Date.now() / 1000;
      const window = { start: String(end - seconds), end: String(end), step: String(stepMs / 1000) };
      const { result } = await ask<{ result: RawSeries[] }>('query_range', { query, ...window });
      return result.map(({ metric, values }) => ({ labels: metric, values: numbers(values) }));
    },
    labelValues: (label, selector) => ask(`label/${label}/values`, { 'match[]': selector }),
    async rules() {
      const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules');
      return groups.flatMap(({ rules }) => rules);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

function numbers(samples: readonly (readonly [number, string])[] = []): number[] {
  return samples.map(([, value]) => Number(value));
}

function configurationOf(file: string, change: (job: ScrapeJob) => ScrapeJob): Configuration {
  const shipped = shippedFile<Configuration>(file);
  const interval = `${scrapeMs}ms`;
  const [job, ...others] = shipped.scrape_configs;
  if (job === undefined || others.length > 0) throw new Error(`${file} has other than one job`);
  return {
    global: {
      ...shipped.global,
      scrape_interval: interval,
      scrape_timeout: interval,
      evaluation_interval: interval,
    },
    rule_files: shipped.rule_files.map((name) => join(prometheusDirectory, name)),
    scrape_configs: [change(job)],
  };
}

/** Asks again and again until the answer is good. Fails with the last answer after a minute. */
export async function until<T>(
  what: string,
  ask: () => Promise<T>,
  good: (answer: T) => boolean,
): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (performance.now() > end) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await delay(scrapeMs / 2);
  }
}
