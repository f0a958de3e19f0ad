import type Docker from 'dockerode';
import { ContainerError, engineMessage, engineStatus } from './container-error.ts';
import { objectOf, textIn } from './json-fields.ts';
import { PullProgress } from './pull-progress.ts';
import type { RegistryLogin } from './registry-login.ts';

/** Where the progress of a pull is shown. */
export interface PullDisplay {
  /** Replaces what was shown last; shown only on a terminal. */
  live(text: string): void;
  /** A line that stays. */
  line(text: string): void;
  readonly isLive: boolean;
}

export interface PullRequest {
  readonly docker: Docker;
  readonly image: string;
  /** What to do when it cannot be had, for behind the engine's reason. */
  readonly advice: string;
  readonly login: (image: string) => Promise<RegistryLogin | undefined>;
  readonly display: PullDisplay;
  /** Ends a pull that is under way. */
  readonly signal: AbortSignal;
}

/**
 * Pulls an image where the engine does not have it, and shows how far that is.
 * @throws ContainerError with the engine's reason; the reason of `signal` once that was aborted
 */
export async function ensureImage(request: PullRequest): Promise<void> {
  const { docker, image, display, signal } = request;
  if (await hasImage(docker, image)) return;
  signal.throwIfAborted();
  const progress = new PullProgress(image);
  if (!display.isLive) display.line(progress.text());
  try {
    const authconfig = await request.login(image);
    const stream = await docker.pull(image, {
      abortSignal: signal,
      ...(authconfig === undefined ? {} : { authconfig }),
    });
    for await (const event of jsonLines(stream)) {
      const fault = textIn(objectOf(event), 'error');
      if (fault !== undefined) throw new Error(fault);
      const step = progress.take(event);
      if (step !== null && display.isLive) display.live(progress.text());
      else if (step?.kind === 'layer') display.line(`${progress.text()} (${step.layer})`);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new ContainerError(`cannot pull ${image}: ${engineMessage(error)}; ${request.advice}`);
  }
  display.line(`pulled ${image}`);
}

async function hasImage(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch (error) {
    if (engineStatus(error) === 404) return false;
    throw new ContainerError(`the engine cannot look at the image ${image}: ${engineMessage(error)}`);
  }
}

/** The JSON texts of a stream that has one per line. */
async function* jsonLines(stream: AsyncIterable<Uint8Array | string>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (
      rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))
    ).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line);
  }
  if (rest.trim() !== '') yield JSON.parse(rest);
}
