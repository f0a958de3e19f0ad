import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

const TAIL_LINES = 15;

/**
 * Runs a program whose output is of interest only when it fails: that goes into a file.
 *
 * @param log the file; what it held is lost
 * @throws when the program cannot be started or does not exit with 0; the message has the end of its output
 */
export async function loggedRun(
  log: string,
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<void> {
  mkdirSync(dirname(log), { recursive: true });
  const output = openSync(log, 'w');
  const child = spawn(command, args, { ...options, stdio: ['ignore', output, output] });
  closeSync(output);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return;
  const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  throw new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}. The end of ${log}:\n${tail}`);
}
