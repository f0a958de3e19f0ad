import type { Row } from '../layout.ts';
import { lines } from '../panels.ts';
import { rate, workspace as scope, select } from '../queries.ts';

/** What the process of the sidecar uses. */
export const process: Row = {
  title: 'Process of the sidecar',
  height: 8,
  panels: [
    [
      6,
      lines({
        title: 'Memory',
        description: 'Resident memory, and the parts of it that JavaScript and its buffers use.',
        unit: 'bytes',
        queries: [
          { expr: `sum(${select(scope, 'process_resident_memory_bytes')})`, legend: 'resident' },
          { expr: `sum(${select(scope, 'nodejs_heap_size_used_bytes')})`, legend: 'heap used' },
          { expr: `sum(${select(scope, 'nodejs_external_memory_bytes')})`, legend: 'buffers' },
        ],
      }),
    ],
    [
      6,
      lines({
        title: 'CPU',
        description: 'Seconds of CPU a second, in user code and in the kernel.',
        unit: 'percentunit',
        queries: [
          { expr: `sum(${rate(scope, 'process_cpu_user_seconds_total')})`, legend: 'user' },
          { expr: `sum(${rate(scope, 'process_cpu_system_seconds_total')})`, legend: 'system' },
        ],
        stacked: true,
      }),
    ],
    [
      6,
      lines({
        title: 'Event loop',
        description: 'Share of time that the event loop is busy. Near 100 % requests wait.',
        unit: 'percentunit',
        max: 1,
        queries: [{ expr: `max(${select(scope, 'nodejs_eventloop_utilization')})`, legend: 'busy' }],
        limits: ['green', [0.7, 'orange'], [0.9, 'red']],
      }),
    ],
    [
      6,
      lines({
        title: 'File descriptors',
        description:
          'Share of the file descriptors that the process may open. At 100 % it takes no connection.',
        unit: 'percentunit',
        max: 1,
        queries: [
          {
            expr: `max(${select(scope, 'process_open_fds')} / ${select(scope, 'process_max_fds')})`,
            legend: 'open',
          },
        ],
        limits: ['green', [0.8, 'red']],
      }),
    ],
  ],
};
