/** Where batches of lines go. `write` may take a part only; what it did not take is offered again. */
export interface Output {
  /** @param lineStart whether `bytes` begins a line; only then may an output change files */
  write(bytes: Buffer, lineStart: boolean): Promise<number>;
  /** Last chance, when the process ends without having closed the log. May throw. */
  writeSync(bytes: Buffer): void;
  close(): Promise<void>;
}

export interface BatchSinkOptions {
  readonly name: string;
  readonly output: Output;
  /** Most characters that wait to be written; further lines are dropped. */
  readonly queueLimit?: number;
  /** Most characters handed to the output at once. */
  readonly batchLimit?: number;
  /** How long lines gather before they are written, and how long a failed output is left alone. Milliseconds. */
  readonly gatherMs?: number;
  readonly retryMs?: number;
  onWritten(lines: number): void;
  onDropped(reason: DropReason, lines: number): void;
  /** Called when an output that worked fails. */
  onFailure(error: Error): void;
  /** The line that tells of drops, or null where the sink has no place for it. */
  dropLine(reason: DropReason, lines: number): string | null;
}

/** `failing`: the queue is full since the output fails. `queue-full`: it is slow. `closed`: the log was closed. */
export const dropReasons = ['failing', 'queue-full', 'closed'] as const;
export type DropReason = (typeof dropReasons)[number];

/**
 * A bounded queue in front of an output that may be slow, full or gone. Adding a line never waits. One write is under
 * way at a time; a failed one is repeated until it succeeds, so that a full disk costs nothing but what does not fit
 * the queue meanwhile, and that is counted and written down afterwards.
 */
export class BatchSink {
  readonly #options: BatchSinkOptions;
  readonly #queueLimit: number;
  readonly #batchLimit: number;
  #lines: string[] = [];
  #queued = 0;
  #batch: { bytes: Buffer; offset: number; lines: number } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing = false;
  #failure: Error | null = null;
  #closed = false;
  #added = 0;
  #done = 0;
  readonly #undescribed = new Map<DropReason, number>();
  #waiters: { until: number; resolve: () => void }[] = [];
  readonly #onExit = (): void => this.#writeRest();

  constructor(options: BatchSinkOptions) {
    this.#options = options;
    this.#queueLimit = options.queueLimit ?? 8 * 1024 * 1024;
    this.#batchLimit = options.batchLimit ?? 256 * 1024;
    process.on('exit', this.#onExit);
  }

  /** False from a failed write to the next that succeeds, and while the queue is full. */
  get healthy(): boolean {
    return this.#failure === null && this.#queued < this.#queueLimit && !this.#closed;
  }

  /** Why the output fails, or null. */
  get failure(): Error | null {
    return this.#failure;
  }

  add(line: string): void {
    if (this.#closed) {
      this.#options.onDropped('closed', 1);
      return;
    }
    if (this.#queued + line.length > this.#queueLimit) {
      const reason = this.#failure === null ? 'queue-full' : 'failing';
      this.#undescribed.set(reason, (this.#undescribed.get(reason) ?? 0) + 1);
      this.#options.onDropped(reason, 1);
      return;
    }
    this.#enqueue(line);
    if (this.#writing || this.#failure !== null) return;
    if (this.#queued >= this.#batchLimit) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.#options.gatherMs ?? 20);
  }

  /** Resolves when what was added so far is written, or a write failed. */
  flush(): Promise<void> {
    if (this.#done >= this.#added) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push({ until: this.#added, resolve });
    if (!this.#writing) this.#start();
    return promise;
  }

  /** Writes what is queued, for at most `deadlineMs`; the rest is dropped and counted. Never rejects. */
  async close(deadlineMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    process.off('exit', this.#onExit);
    const { promise: deadline, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    await Promise.race([this.flush(), deadline]);
    clearTimeout(timer);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const left = this.#added - this.#done;
    if (left > 0) this.#options.onDropped('closed', left);
    this.#lines = [];
    await this.#options.output.close().catch(() => undefined);
  }

  #enqueue(line: string): void {
    this.#lines.push(line);
    this.#queued += line.length;
    this.#added++;
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      for (let batch = this.#next(); batch !== null; batch = this.#next()) {
        while (batch.offset < batch.bytes.length) {
          const rest = batch.bytes.subarray(batch.offset);
          batch.offset += await this.#options.output.write(rest, batch.offset === 0);
        }
        this.#batch = null;
        this.#queued -= batch.bytes.length;
        this.#done += batch.lines;
        this.#failure = null;
        this.#options.onWritten(batch.lines);
        this.#describeDrops();
        this.#wake(this.#done);
      }
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      if (this.#failure === null) this.#options.onFailure(failure);
      this.#failure = failure;
      if (!this.#closed) {
        this.#timer = setTimeout(() => this.#start(), this.#options.retryMs ?? 1000);
        // A process with nothing left to do should not live for a disk that stays full.
        this.#timer.unref();
      }
      this.#wake(Number.POSITIVE_INFINITY);
    } finally {
      this.#writing = false;
    }
  }

  /** The batch that failed before, or the next lines as one. */
  #next(): { bytes: Buffer; offset: number; lines: number } | null {
    if (this.#batch !== null || this.#lines.length === 0) return this.#batch;
    let taken = 0;
    let length = 0;
    for (const line of this.#lines) {
      if (taken > 0 && length + line.length > this.#batchLimit) break;
      taken++;
      length += line.length;
    }
    const lines = taken === this.#lines.length ? this.#lines : this.#lines.splice(0, taken);
    if (lines === this.#lines) this.#lines = [];
    const bytes = Buffer.from(lines.join(''));
    // Lines are counted in characters while they wait, and a batch in bytes: the difference is made good here.
    this.#queued += bytes.length - length;
    this.#batch = { bytes, offset: 0, lines: taken };
    return this.#batch;
  }

  #describeDrops(): void {
    for (const [reason, count] of this.#undescribed) {
      const line = this.#options.dropLine(reason, count);
      if (line !== null) this.#enqueue(line);
    }
    this.#undescribed.clear();
  }

  #wake(done: number): void {
    for (const waiter of this.#waiters) if (waiter.until <= done) waiter.resolve();
    this.#waiters = this.#waiters.filter((waiter) => waiter.until > done);
  }

  /** A batch whose write is under way is left to that write: twice would be worse than the risk of losing it. */
  #writeRest(): void {
    const batch = this.#writing ? null : this.#batch;
    const rest = Buffer.concat([
      batch === null ? Buffer.alloc(0) : batch.bytes.subarray(batch.offset),
      Buffer.from(this.#lines.join('')),
    ]);
    if (rest.length === 0) return;
    try {
      this.#options.output.writeSync(rest);
    } catch {
      // The process is ending and the output does not take it: there is nobody left to tell.
    }
  }
}
