import { once } from 'node:events';
import type { WebSocket } from 'ws';
import type { Ended } from './boundary.ts';

interface Said {
  readonly of: number;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

interface Running {
  readonly stdout: Buffer[];
  readonly stderr: Buffer[];
  readonly ended: (end: Ended) => void;
  readonly failed: (error: Error) => void;
  readonly onOutput: (text: string) => void;
}

/** The deployment's side of the stand-in agent's WebSocket: see standin-agent.ts for what is said on it. */
export class AgentSession {
  readonly #socket: WebSocket;
  readonly #running = new Map<number, Running>();
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(String(data)) as Said));
    socket.on('close', () => {
      for (const { failed } of this.#running.values()) failed(new Error('the agent went away meanwhile'));
    });
  }

  /** The environment of what is run from now on, as the manifest's coder_env. */
  manifest(env: Readonly<Record<string, string>>): void {
    this.#socket.send(JSON.stringify({ env }));
  }

  /** Runs a command as a child of the agent. */
  run(
    command: readonly string[],
    options: { readonly input?: string; readonly onOutput?: (text: string) => void } = {},
  ): Promise<Ended> {
    const id = ++this.#last;
    const input = Buffer.from(options.input ?? '').toString('base64');
    return new Promise((resolve, reject) => {
      const onOutput = options.onOutput ?? (() => {});
      this.#running.set(id, { stdout: [], stderr: [], ended: resolve, failed: reject, onOutput });
      this.#socket.send(JSON.stringify({ run: id, command, input }));
    });
  }

  get open(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  async closed(): Promise<void> {
    if (this.#socket.readyState !== this.#socket.CLOSED) await once(this.#socket, 'close');
  }

  #take({ of, stdout, stderr, code, signal = null }: Said): void {
    const running = this.#running.get(of);
    if (running === undefined) return;
    for (const [name, text] of Object.entries({ stdout, stderr })) {
      if (text === undefined) continue;
      const bytes = Buffer.from(text, 'base64');
      running[name as 'stdout' | 'stderr'].push(bytes);
      running.onOutput(bytes.toString());
    }
    if (code === undefined) return;
    this.#running.delete(of);
    const whole = (pieces: readonly Buffer[]) => Buffer.concat(pieces).toString();
    running.ended({ code, signal, stdout: whole(running.stdout), stderr: whole(running.stderr) });
  }
}
