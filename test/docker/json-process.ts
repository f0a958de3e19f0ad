import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A process that answers each line of JSON with one. It ends with its standard input, so at the latest with this one. */
export class JsonProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];
  readonly #ended: Promise<unknown>;
  #words = '';
  #over = false;

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      this.#words += piece;
    });
    child.stdin.on('error', () => {}); // It may end before it read all; `close` tells.
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line));
    });
    this.#ended = once(child, 'close').then(([code, signal]) => {
      this.#over = true;
      const error = new Error(`${command} ${args[0]} ended with ${code ?? signal}: ${this.#words}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  /** The next line that nobody waits for yet: what the process says by itself. */
  next<T>(): Promise<T> {
    if (this.#over) return Promise.reject(new Error(`it has ended: ${this.#words}`));
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    }) as Promise<T>;
  }

  call<T>(value: unknown): Promise<T> {
    const answer = this.next<T>();
    this.#child.stdin?.write(`${JSON.stringify(value)}\n`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    if (!this.#over) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
