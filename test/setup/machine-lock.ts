import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Does `work` while no other process of this machine does work under the same lock: test files run beside each other,
 * and each asks for the same engine, images and programs. The kernel holds the lock, by flock(1), and lets it go when
 * this process ends, however it ends.
 *
 * @param file the lock's file; made when missing, never removed
 * @returns what `work` returns
 */
export async function locked<T>(file: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  // Holds the lock for as long as its standard input is open.
  const holder = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo held; cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'close');
  const held = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
  if (!held)
    throw new Error(`${file}: could not be locked; expected the program flock (Debian: util-linux) to run`);
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
