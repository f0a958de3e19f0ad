import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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

interface Configuration {
  global: Record<string, string>;
  rule_files: string[];
  scrape_configs: { static_configs: { targets: string[]; labels: Record<string, string> }[] }[];
}

/**
 * Starts Debian's Prometheus with the shipped configuration and rules: only targets, intervals and the paths of the rule
 * files are others.
 */
export async function startPrometheus(targets: readonly Target[]): Promise<PrometheusUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-prometheus-'));
  const path = join(directory, 'prometheus.yml');
  writeFileSync(path, JSON.stringify(configurationFor(targets)));
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

function configurationFor(targets: readonly Target[]): Configuration {
  const shipped = load(readFileSync(join(prometheusDirectory, 'prometheus.yml'), 'utf8')) as Configuration;
  const interval = `${scrapeMs}ms`;
  const [job, ...others] = shipped.scrape_configs;
  if (job === undefined || others.length > 0) throw new Error('prometheus.yml has other than one job');
  return {
    ...shipped,
    global: {
      ...shipped.global,
      scrape_interval: interval,
      scrape_timeout: interval,
      evaluation_interval: interval,
    },
    rule_files: shipped.rule_files.map((name) => join(prometheusDirectory, name)),
    scrape_configs: [
      {
        ...job,
        static_configs: targets.map(({ address, owner, workspace }) => ({
          targets: [address],
          labels: { owner, workspace },
        })),
      },
    ],
  };
}
