import { type LoadResult, load, type Path } from './load.ts';
import type { Running } from './proxies.ts';

/** One kind of work that every proxy is given in the same run. */
export interface Scenario {
  readonly name: string;
  /** what the figures mean, for the table */
  readonly title: string;
  /** which of a proxy's ports takes it; a proxy without that port sits the scenario out */
  readonly port: 'plain' | 'opened' | 'passed';
  readonly measure: 'requests' | 'connections' | 'bytes' | 'first-byte';
  run(
    path: (upstream: 'http' | 'opened' | 'passed' | 'raw', tls: boolean, tunnel: boolean) => Path,
    scale: number,
  ): Promise<LoadResult>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'plain-http',
    title: 'plain HTTP, 64 kept connections, 1 KiB answers',
    port: 'plain',
    measure: 'requests',
    run: (path, scale) =>
      load(path('http', false, false), '/1k', { connections: 64, requests: 30_000 * scale, reuse: true }),
  },
  {
    name: 'opened-tls',
    title: 'opened TLS, 32 kept tunnels, 1 KiB answers',
    port: 'opened',
    measure: 'requests',
    run: (path, scale) =>
      load(path('opened', true, true), '/1k', { connections: 32, requests: 20_000 * scale, reuse: true }),
  },
  {
    name: 'passed-tls',
    title: 'passed TLS, 32 kept tunnels, 1 KiB answers',
    port: 'passed',
    measure: 'requests',
    run: (path, scale) =>
      load(path('passed', true, true), '/1k', { connections: 32, requests: 20_000 * scale, reuse: true }),
  },
  {
    name: 'opened-connections',
    title: 'new connections: CONNECT, opened TLS, one GET, 16 at a time',
    port: 'opened',
    measure: 'connections',
    run: (path, scale) =>
      load(path('opened', true, true), '/1k', { connections: 16, requests: 1_500 * scale, reuse: false }),
  },
  {
    name: 'plain-bulk',
    title: 'plain HTTP, 10 MiB answers, 4 at a time',
    port: 'plain',
    measure: 'bytes',
    run: (path, scale) =>
      load(path('http', false, false), '/10m', { connections: 4, requests: 80 * scale, reuse: true }),
  },
  {
    name: 'opened-bulk',
    title: 'opened TLS, 10 MiB answers, 4 at a time',
    port: 'opened',
    measure: 'bytes',
    run: (path, scale) =>
      load(path('opened', true, true), '/10m', { connections: 4, requests: 40 * scale, reuse: true }),
  },
  {
    name: 'passed-bulk',
    title: 'passed bytes: 1 GiB through one CONNECT tunnel',
    port: 'plain',
    measure: 'bytes',
    run: (path, scale) =>
      load(path('raw', false, true), '/1g', { connections: 1, requests: 2 * scale, reuse: true }),
  },
  {
    name: 'first-byte-plain',
    title: 'first byte of a plain request, one at a time',
    port: 'plain',
    measure: 'first-byte',
    run: (path, scale) =>
      load(path('http', false, false), '/1k', { connections: 1, requests: 2_000 * scale, reuse: true }),
  },
  {
    name: 'first-byte-opened',
    title: 'first byte over opened TLS, one at a time',
    port: 'opened',
    measure: 'first-byte',
    run: (path, scale) =>
      load(path('opened', true, true), '/1k', { connections: 1, requests: 2_000 * scale, reuse: true }),
  },
];

/** Makes the paths of one proxy (null: direct) to the upstream's ports. */
export function pathsFor(proxy: Running | null, upstream: Running, portName: Scenario['port']) {
  return (name: 'http' | 'opened' | 'passed' | 'raw', tls: boolean, tunnel: boolean): Path => {
    const port = proxy ? proxy.ports[portName] : 0;
    if (port === undefined) throw new Error(`${proxy?.name} has no port ${portName}`);
    return {
      proxy: proxy ? { host: '127.0.0.1', port } : null,
      host: 'localhost',
      port: upstream.ports[name] ?? 0,
      tls,
      tunnel: tunnel || tls,
      ca: [...upstream.ca, ...(proxy?.ca ?? [])],
    };
  };
}
