import { type ChildProcess, spawn } from 'node:child_process';
import { collected, type Ended } from './boundary.ts';

/** Starts the docker client with pipes for its streams. */
export function startDocker(args: readonly string[]): ChildProcess {
  return spawn('docker', args, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs the docker client to its end, whatever that is. */
export function runDocker(args: readonly string[], input?: string): Promise<Ended> {
  return collected(startDocker(args), input).ended;
}

/**
 * Runs the docker client.
 *
 * @returns what it printed, without the white space around it
 * @throws when it does not exit with 0; the message has what it printed
 */
export async function docker(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await runDocker(args, input);
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}: ${stderr || stdout}`);
  return stdout.trim();
}

/** One field of a container, network or volume, by a Go template such as `{{.State.Pid}}`. */
export function inspected(name: string, format: string): Promise<string> {
  return docker(['inspect', '--format', format, name]);
}

/** Removes what is there of these, and says nothing of the rest. Containers go first, at once. */
export async function removeFromEngine(things: {
  readonly containers?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly images?: readonly string[];
}): Promise<void> {
  const { containers = [], volumes = [], networks = [], images = [] } = things;
  if (containers.length > 0) await runDocker(['rm', '--force', '--volumes', ...containers]);
  if (volumes.length > 0) await runDocker(['volume', 'rm', '--force', ...volumes]);
  for (const network of networks) await runDocker(['network', 'rm', network]);
  if (images.length > 0) await runDocker(['image', 'rm', '--force', ...images]);
}
