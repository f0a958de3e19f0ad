import type { Duplex, Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { asked, asRequest } from './asked.ts';
import { ContainerError, engineMessage } from './container-error.ts';
import { FrameReader } from './frames.ts';
import { type CommandRequest, commandContainer } from './parts.ts';

/** The streams of boundary itself, which the command is to have. */
export interface Streams {
  readonly input: Readable;
  /** Writes all of it; waits while the reader does not take it. Resolves to false where the reader has gone. */
  write(descriptor: 1 | 2, bytes: Uint8Array): Promise<boolean>;
  readonly terminal: Terminal | null;
}

/** A terminal that standard input and output both are. */
export interface Terminal {
  size(): { readonly rows: number; readonly columns: number };
  /** Hands every key on as it is typed, until what is returned is called. */
  raw(): () => void;
  /** Calls back at each change of the size, until what is returned is called. */
  onResize(listener: () => void): () => void;
}

export interface AttachedRequest extends Omit<CommandRequest, 'terminal'> {
  readonly docker: Docker;
  readonly netnsId: string;
  readonly streams: Streams;
  /** Told once the command can take signals. */
  onStarted(signal: (name: NodeJS.Signals) => void): void;
}

/** How the command ended: its exit code, or why the engine could not execute it. */
export type CommandEnd =
  | { readonly exitCode: number; readonly fault: null }
  | { readonly exitCode: 'not-found' | 'not-executable'; readonly fault: string };

/** Typed in a row it would end the attachment: the engine cannot be told to have no such keys. */
const DETACH_KEYS = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? 'ctrl-^' : 'ctrl-_')).join();

/** How often a terminal that is not there yet is given its size, in milliseconds. */
const SIZE_POLL_MS = 10;

/**
 * Runs the command with boundary's streams, and resolves when it has ended and all that it wrote is handed on.
 * @throws ContainerError where the engine does not start it, or is lost
 */
export async function runAttached(request: AttachedRequest): Promise<CommandEnd> {
  const { docker, streams, netnsId } = request;
  const { terminal } = streams;
  const options = commandContainer({ ...request, terminal: terminal?.size() ?? null }, netnsId);
  const container = await asked("make the command's container", () =>
    docker.createContainer(asRequest(options)),
  );
  const stream = await asked("attach to the command's container", async () => {
    const attached = await container.attach({
      stream: true,
      stdin: true,
      stdout: true,
      stderr: true,
      hijack: true,
      ...(terminal === null ? {} : { detachKeys: DETACH_KEYS }),
    });
    return attached as Duplex;
  });
  using cleanup = new DisposableStack();
  cleanup.defer(() => stream.destroy());
  stream.on('error', () => {}); // The engine says how the command ended, if it still can.
  // The engine refuses a signal for a command that has ended.
  const signal = (name: NodeJS.Signals) => void container.kill({ signal: name }).catch(() => {});
  const written = handOn(stream, streams, () => signal('SIGPIPE'));
  // Before the start: from its first octet on the command's own terminal interprets what is typed and written.
  if (terminal !== null) cleanup.defer(terminal.raw());
  const starting = new AbortController();
  const [refused] = await Promise.all([
    refusal(container).finally(() => starting.abort()),
    terminal === null ? null : sizeEarly(container, terminal, starting.signal),
  ]);
  if (refused !== null) return refused;
  if (terminal !== null) {
    const resize = sizeFollower(container, terminal);
    cleanup.defer(terminal.onResize(resize));
    resize();
  }
  // A terminal that is gone: the command's input has ended.
  streams.input.once('error', () => stream.end());
  streams.input.pipe(stream);
  cleanup.defer(() => {
    streams.input.unpipe(stream);
    streams.input.pause();
  });
  request.onStarted(signal);
  let exitCode: number;
  try {
    const { StatusCode } = await container.wait();
    exitCode = StatusCode;
  } catch (error) {
    throw new ContainerError(
      `the engine was lost while the command ran (${engineMessage(error)}); whether it still runs is not known, and the next boundary run removes what is left`,
    );
  }
  await written;
  return { exitCode, fault: null };
}

/** Engines before 23.0 make a terminal without a size: it is set as soon as there is one, while the start goes on. */
async function sizeEarly(container: Container, terminal: Terminal, started: AbortSignal): Promise<void> {
  while (!started.aborted && !(await setSize(container, terminal))) {
    await new Promise((resolve) => setTimeout(resolve, SIZE_POLL_MS));
  }
}

/**
 * Hands each change of the size on, one at a time: of two requests at once the engine may heed the later first, and the
 * size would stay the earlier one.
 */
function sizeFollower(container: Container, terminal: Terminal): () => void {
  let handing = false;
  let changed = false;
  const resize = () => {
    changed = handing;
    if (handing) return;
    handing = true;
    void setSize(container, terminal).then(() => {
      handing = false;
      if (changed) resize();
    });
  };
  return resize;
}

/** Resolves to false where the engine cannot: the command does not run yet, or has ended. */
async function setSize(container: Container, terminal: Terminal): Promise<boolean> {
  const { rows, columns } = terminal.size();
  return container.resize({ h: rows, w: columns }).then(
    () => true,
    () => false,
  );
}

/** Starts the command; not null where the engine could not execute it. */
async function refusal(container: Container): Promise<CommandEnd | null> {
  try {
    await container.start();
    return null;
  } catch (error) {
    const message = engineMessage(error);
    if (/executable file not found|no such file or directory/.test(message) && !/mount/.test(message)) {
      return { exitCode: 'not-found', fault: message };
    }
    if (/permission denied|is a directory|exec format error/.test(message) && !/mount/.test(message)) {
      return { exitCode: 'not-executable', fault: message };
    }
    throw new ContainerError(`the engine did not start the command: ${message}`);
  }
}

/**
 * Hands on what the command writes. One write at a time, so that a slow reader slows the command, as with a pipe; and
 * `onBroken` once when there is no reader any more.
 */
async function handOn(stream: Duplex, streams: Streams, onBroken: () => void): Promise<void> {
  const reader = streams.terminal === null ? new FrameReader() : null;
  const whole = { 1: true, 2: true };
  const pass = async (descriptor: 1 | 2, bytes: Uint8Array): Promise<void> => {
    if (!whole[descriptor] || (await streams.write(descriptor, bytes))) return;
    whole[descriptor] = false;
    onBroken();
  };
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      if (reader === null) await pass(1, chunk);
      else for (const frame of reader.read(chunk)) await pass(frame.stream, frame.bytes);
    }
  } catch {
    // The connection is gone; waiting for the command says why.
  }
}
