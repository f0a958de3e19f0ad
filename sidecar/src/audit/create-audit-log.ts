import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Metrics } from '../metrics/types.ts';
import { BatchSink, dropReasons, type Output } from './batch-sink.ts';
import { descriptorOutput } from './descriptor-output.ts';
import { fileOutput } from './file-output.ts';
import { LineBuilder, type LineFacts } from './line.ts';
import { type ReadableFacts, type ReadableLevel, readableLine, shows } from './readable-line.ts';
import type { AuditEntry, AuditLog, Outcome, VerdictRecord } from './types.ts';

export interface AuditLogOptions {
  readonly workspace?: string;
  readonly owner?: string;
  readonly file?: { readonly path: string; readonly maxBytes: number; readonly keep: number };
  /** Writes the lines of the file to standard output as well, for a collector that reads it. */
  readonly stdout?: boolean;
  readonly stderr?: { readonly colour: boolean; readonly level: ReadableLevel };
  readonly metrics: Metrics;
  /** Told when the file fails that was written so far, and of every lot of lines it will never have. */
  readonly onFileFailure?: (error: Error) => void;
  readonly onFileDropped?: (lines: number) => void;
  /** false writes query values as they came; true, the default, masks them */
  readonly maskQuery?: boolean;
  /** Milliseconds since 1970, for `time` and `duration_ms` both. Without it the duration is monotonic. */
  readonly now?: () => number;
  /** After how many milliseconds the verdict of an open request is written by itself; 1000 unless told. */
  readonly verdictAfterMs?: number;
  /** How long `close` may take, in milliseconds; 5000 unless told. */
  readonly closeMs?: number;
  /** Most bytes that wait for a slow sink; 8 MiB unless told. */
  readonly queueBytes?: number;
  /** How long a failed sink is left alone, in milliseconds; 1000 unless told. */
  readonly retryMs?: number;
  /** How often to look whether somebody else set the file aside, in milliseconds; 1000 unless told. */
  readonly checkMs?: number;
}

/**
 * The audit log: one line per request that ends within a second, else a `verdict` line then and an `end` line later.
 * Lines gather for 20 ms and are written from the thread pool. Without a sink nothing can be recorded, so `healthy`
 * is false.
 * @throws AuditFileError when the file cannot be opened
 */
export function createAuditLog(options: AuditLogOptions): AuditLog {
  return new Log(options);
}

/** One request. Entries that are open and young form a list, oldest first, since all of them wait equally long. */
class Entry implements AuditEntry, LineFacts {
  readonly seq: number;
  readonly record: VerdictRecord;
  /** milliseconds since 1970 */
  readonly time: number;
  /** milliseconds of the clock that measures durations */
  readonly started: number;
  dialled: string | null;
  state: 'young' | 'announced' | 'ended' = 'young';
  previous: Entry | null = null;
  next: Entry | null = null;
  readonly #log: Log;

  constructor(log: Log, seq: number, record: VerdictRecord, time: number, started: number) {
    this.#log = log;
    this.seq = seq;
    this.record = record;
    this.time = time;
    this.started = started;
    this.dialled = record.address;
  }

  get id(): string {
    return `${this.#log.run}-${this.seq}`;
  }

  address(address: string): void {
    this.dialled = address;
  }

  end(outcome: Outcome): void {
    this.#log.end(this, outcome);
  }
}

class Log implements AuditLog {
  readonly run = randomBytes(6).toString('hex');
  readonly #metrics: Metrics;
  readonly #lines: LineBuilder;
  readonly #file: BatchSink | null;
  readonly #stdout: BatchSink | null;
  readonly #stderr: BatchSink | null;
  readonly #readable: { colour: boolean; level: ReadableLevel; maskQuery: boolean };
  readonly #wall: () => number;
  readonly #clock: () => number;
  readonly #verdictAfterMs: number;
  readonly #closeMs: number;
  #seq = 0;
  #oldest: Entry | null = null;
  #newest: Entry | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: AuditLogOptions) {
    const { workspace, owner, file, stderr, now, maskQuery = true } = options;
    this.#metrics = options.metrics;
    this.#lines = new LineBuilder({ run: this.run, workspace, owner, maskQuery });
    this.#readable = { colour: stderr?.colour ?? false, level: stderr?.level ?? 'info', maskQuery };
    this.#wall = now ?? Date.now;
    this.#clock = now ?? (() => performance.now());
    this.#verdictAfterMs = options.verdictAfterMs ?? 1000;
    this.#closeMs = options.closeMs ?? 5000;
    // The file first: when its path is bad nothing else has been made yet.
    this.#file =
      file === undefined
        ? null
        : this.#sink(
            'file',
            fileOutput({ ...file, ...(options.checkMs === undefined ? {} : { checkMs: options.checkMs }) }),
            options,
            file.maxBytes,
          );
    this.#stdout = options.stdout === true ? this.#sink('stdout', descriptorOutput(1), options) : null;
    this.#stderr = stderr === undefined ? null : this.#sink('stderr', descriptorOutput(2), options);
  }

  get healthy(): boolean {
    const { level } = this.#readable;
    // A stderr that leaves lines out is no record.
    const stderrRecords = level === 'info' || level === 'debug';
    return (
      this.#file?.healthy === true ||
      this.#stdout?.healthy === true ||
      (stderrRecords && this.#stderr?.healthy === true)
    );
  }

  open(record: VerdictRecord): AuditEntry {
    const entry = new Entry(this, ++this.#seq, record, this.#wall(), this.#clock());
    if (this.#closed) return entry;
    entry.previous = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
    this.#timer ??= this.#later();
    return entry;
  }

  end(entry: Entry, outcome: Outcome): void {
    if (entry.state === 'ended') return;
    const young = entry.state === 'young';
    entry.state = 'ended';
    this.#unlink(entry);
    const duration = this.#clock() - entry.started;
    const event = young ? 'request' : 'end';
    const time = young ? entry.time : this.#wall();
    this.#record(() => this.#lines.outcome(event, time, entry, outcome, duration));
    if (this.#stderr !== null) this.#show(this.#stderr, { ...entry.record, time, event, outcome, duration });
  }

  async flush(): Promise<void> {
    await Promise.all([this.#file?.flush(), this.#stdout?.flush(), this.#stderr?.flush()]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#announce(Number.POSITIVE_INFINITY);
    const sinks = [this.#file, this.#stdout, this.#stderr];
    await Promise.all(sinks.map((sink) => sink?.close(this.#closeMs)));
  }

  #later(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#announce(this.#clock() - this.#verdictAfterMs);
      this.#timer = this.#oldest === null ? null : this.#later();
    }, this.#verdictAfterMs / 4);
    return timer.unref();
  }

  /** Writes the verdict of every entry that was opened at `before` or earlier and has not ended. */
  #announce(before: number): void {
    for (let entry = this.#oldest; entry !== null && entry.started <= before; entry = this.#oldest) {
      entry.state = 'announced';
      this.#unlink(entry);
      this.#record(() => this.#lines.verdict(entry.time, entry));
      const facts = { time: entry.time, event: 'verdict', outcome: null, duration: null } as const;
      if (this.#stderr !== null) this.#show(this.#stderr, { ...entry.record, ...facts });
    }
  }

  #unlink(entry: Entry): void {
    const { previous, next } = entry;
    if (previous !== null) previous.next = next;
    else if (this.#oldest === entry) this.#oldest = next;
    if (next !== null) next.previous = previous;
    else if (this.#newest === entry) this.#newest = previous;
    entry.previous = null;
    entry.next = null;
  }

  #record(line: () => string): void {
    if (this.#file === null && this.#stdout === null) return;
    const text = line();
    this.#file?.add(text);
    this.#stdout?.add(text);
  }

  #show(sink: BatchSink, facts: ReadableFacts): void {
    if (shows(this.#readable.level, facts)) sink.add(readableLine(facts, this.#readable));
  }

  #sink(
    name: 'file' | 'stdout' | 'stderr',
    output: Output,
    options: AuditLogOptions,
    maxBytes = 256 * 1024,
  ): BatchSink {
    this.#metrics.auditSink(name, dropReasons);
    return new BatchSink({
      name,
      output,
      // A batch has to fit into a file that is not set aside yet.
      batchLimit: Math.min(256 * 1024, maxBytes),
      ...(options.queueBytes === undefined ? {} : { queueLimit: options.queueBytes }),
      ...(options.retryMs === undefined ? {} : { retryMs: options.retryMs }),
      onWritten: (lines) => this.#metrics.auditWritten(name, lines),
      onDropped: (reason, lines) => {
        this.#metrics.auditDropped(name, reason, lines);
        if (name === 'file') options.onFileDropped?.(lines);
      },
      onFailure: (error) => {
        if (name === 'stderr') return;
        this.#stderr?.add(`boundary: the audit file cannot be written: ${error.message}\n`);
        options.onFileFailure?.(error);
      },
      dropLine: (reason, lines) =>
        name !== 'stderr'
          ? this.#lines.dropped(this.#wall(), name, reason, lines)
          : `boundary: ${lines} audit lines were not shown (${reason})\n`,
    });
  }
}
