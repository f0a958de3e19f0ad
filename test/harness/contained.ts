import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BOUNDARY_IMAGE, ensureBoundaryImage } from '../setup/boundary-image.ts';
import { ensureEngine } from '../setup/docker-engine.ts';
import { ensureWorkspaceImage, WORKSPACE_IMAGE } from '../setup/workspace-image.ts';
import { type Ended, type RunningBoundary, type StartOptions, startBoundary } from './boundary.ts';

/** Makes sure of an engine and of both images. */
export async function prepareContainers(): Promise<void> {
  await ensureEngine();
  await ensureBoundaryImage();
  await ensureWorkspaceImage();
}

/** The flags with which boundary runs a command in the workspace of the tests. */
export const IN_WORKSPACE: readonly string[] = [
  ...['run', '--isolation', 'container', '--boundary-image', BOUNDARY_IMAGE, '--image', WORKSPACE_IMAGE],
];

const started = new Set<RunningBoundary>();

/** Starts bin/boundary with these flags and more. */
export function startContained(args: readonly string[], options: StartOptions = {}): RunningBoundary {
  const running = startBoundary([...IN_WORKSPACE, ...args], options);
  started.add(running);
  return running;
}

/** Ends what a test that failed left running, so that its file ends too. */
export async function endContained(): Promise<void> {
  for (const { process } of started) process.kill('SIGTERM');
  await Promise.allSettled([...started].map(({ ended }) => ended));
}

/** Runs it to its end. */
export function runContained(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return startContained(args, options).ended;
}

/** What docker prints. */
export function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** The names of everything in the engine that has a label (`boundary.pid=4711`). */
export function objectsWith(label: string): string[] {
  const list = (...args: string[]) =>
    docker(...args, '--filter', `label=${label}`)
      .split('\n')
      .filter((name) => name !== '');
  return [
    ...list('ps', '--all', '--format', '{{.Names}}'),
    ...list('volume', 'ls', '--format', '{{.Name}}'),
    ...list('network', 'ls', '--format', '{{.Name}}'),
  ].sort();
}

/** What a run of this process id left in the engine. */
export function objectsOf(running: RunningBoundary): string[] {
  return objectsWith(`boundary.pid=${running.process.pid}`);
}

/** Resolves when the engine has started a container of a part (`netns`, `command`) for a process of boundary's. */
export async function partStarted(running: RunningBoundary, part: string): Promise<void> {
  const labels = [`boundary.pid=${running.process.pid}`, `boundary.part=${part}`];
  const filters = labels.flatMap((label) => ['--filter', `label=${label}`]);
  // The engine repeats what happened since a moment ago, so that nothing is missed.
  const args = ['events', '--since', '5m', '--filter', 'event=start', ...filters];
  const events = spawn('docker', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const line of createInterface({ input: events.stdout })) if (line !== '') return;
    throw new Error(`docker events ended before the ${part} was started`);
  } finally {
    events.kill();
  }
}
