import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * Registers what the process itself uses, under the names that Prometheus client libraries share. All of it is read
 * when scraped; prom-client's own default set would keep a 10 ms timer and a garbage collection observer running.
 */
export function registerProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number | null): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === null) this.remove();
        else this.set(value);
      },
    });
  };
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };

  counter('process_cpu_user_seconds_total', 'CPU time spent in user code, in seconds.', () => {
    return process.cpuUsage().user / 1e6;
  });
  counter('process_cpu_system_seconds_total', 'CPU time spent in the kernel, in seconds.', () => {
    return process.cpuUsage().system / 1e6;
  });
  counter('process_cpu_seconds_total', 'CPU time spent, in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const startTime = Math.round(performance.timeOrigin) / 1000;
  gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', () => startTime);
  gauge('process_resident_memory_bytes', 'Resident memory, in bytes.', () => process.memoryUsage.rss());
  gauge('process_open_fds', 'Open file descriptors.', openFileDescriptors);
  gauge('process_max_fds', 'Most file descriptors the process may open.', maxFileDescriptors);
  gauge('nodejs_heap_size_total_bytes', 'Size of the JavaScript heap, in bytes.', () => {
    return process.memoryUsage().heapTotal;
  });
  gauge('nodejs_heap_size_used_bytes', 'Used part of the JavaScript heap, in bytes.', () => {
    return process.memoryUsage().heapUsed;
  });
  gauge('nodejs_external_memory_bytes', 'Memory outside the JavaScript heap (buffers), in bytes.', () => {
    return process.memoryUsage().external;
  });
  let last = performance.eventLoopUtilization();
  gauge(
    'nodejs_eventloop_utilization',
    'Share of time the event loop was busy since the last scrape.',
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return Number.isFinite(utilization) ? utilization : 0;
    },
  );
  new Gauge({
    name: 'nodejs_version_info',
    help: 'The version of Node.js.',
    labelNames: ['version'],
    registers,
  }).set({ version: process.version }, 1);
}

/** Null where the system has no procfs to read it from. */
function openFileDescriptors(): number | null {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return null;
  }
}

function maxFileDescriptors(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
