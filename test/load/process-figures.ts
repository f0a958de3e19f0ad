import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';

/** The most memory that a process ever held at once, in bytes (VmHWM, proc_pid_status(5)). */
export function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** How many file descriptors of a process are sockets. */
export function openSockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((name) => isSocket(pid, name)).length;
}

function isSocket(pid: number, descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`).startsWith('socket:');
  } catch {
    return false; // Closed between the listing and now.
  }
}

/** The sum of the samples of one metric, over those whose labels hold `labels` as text. */
export async function metric(controlUrl: string, name: string, labels = ''): Promise<number> {
  const answer = await fetch(`${controlUrl}/metrics`, { headers: { connection: 'close' } });
  const lines = (await answer.text()).split('\n');
  const samples = lines.filter(
    (line) => line.startsWith(name) && /[ {]/.test(line[name.length] ?? '') && line.includes(labels),
  );
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/**
 * Asks again and again, once per turn of the event loop, until nothing is missing. Throws what was last missing once
 * `seconds` are over.
 */
export async function until(
  found: () => Promise<string | null> | string | null,
  seconds = 60,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const missing = await found();
    if (missing === null) return;
    if (performance.now() > end) throw new Error(`after ${seconds} s still: ${missing}`);
    await setImmediate();
  }
}
