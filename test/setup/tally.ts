import { relative } from 'node:path';
import { type EventData, run } from 'node:test';

/** What a run of the tests came to. */
export interface Tally {
  passed: number;
  /** One entry each: file, test, what went wrong. */
  readonly failures: string[];
  /** Skips that were allowed, one line each. */
  readonly skips: string[];
  /** Line coverage of the sources in percent by absolute path; empty unless asked for. */
  readonly coverage: Map<string, number>;
}

export interface TallyOptions {
  /** Directory of the repository: places are told relative to it. */
  readonly root: string;
  /** Absolute paths. Each must report at least one test. */
  readonly files: readonly string[];
  /** Reasons by `file > test`: the only tests that may be skipped. */
  readonly allowedSkips: Readonly<Record<string, string>>;
  readonly coverage?: boolean;
  /** Files at a time. */
  readonly concurrency: number;
  /** Told once per failure, when it falls. */
  onFailure?(failure: string): void;
  /** Told what a test says of itself: versions of clients, what was measured. */
  onDiagnostic?(said: string): void;
}

/** What the runner itself says at the end of a file. */
const RUNNERS_OWN = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

/** A file that takes longer hangs. */
const FILE_TIMEOUT_MS = 600_000;

/**
 * Runs test files, each in a process of its own, and counts from the runner's events, so that nothing a test prints can
 * look like a result. A file that ends badly or holds no test is a failure, and so is a skip or a todo that nobody
 * allowed. A suite or a test with subtests fails by itself only when none of its parts did.
 */
export async function tally(options: TallyOptions): Promise<Tally> {
  const result: Tally = { passed: 0, failures: [], skips: [], coverage: new Map() };
  const silent = new Set(options.files);

  const fileOf = (data: EventData.LocationInfo): string => data.entryFile ?? data.file ?? '';
  const isFile = (data: EventData.LocationInfo & { name: string }): boolean => data.name === fileOf(data);
  const place = (data: EventData.LocationInfo & { name: string }): string => {
    const file = relative(options.root, fileOf(data));
    return isFile(data) ? file : `${file} > ${data.name}`;
  };
  const fail = (failure: string): void => {
    result.failures.push(failure);
    options.onFailure?.(failure);
  };

  const stream = run({
    files: [...options.files],
    concurrency: options.concurrency,
    timeout: FILE_TIMEOUT_MS,
    coverage: options.coverage ?? false,
    ...(options.coverage ? { coverageIncludeGlobs: ['sidecar/src/**'] } : {}),
    ...(options.coverage ? { coverageExcludeGlobs: ['**/*.test.ts'] } : {}),
    cwd: options.root,
  });

  stream.on('test:pass', (data) => {
    if (isFile(data)) return; // Without a test the runner reports the file itself; it stays silent here.
    silent.delete(fileOf(data));
    if (data.skip === undefined && data.todo === undefined) {
      if (data.details.type !== 'suite') result.passed += 1;
      return;
    }
    const reason = data.skip === undefined ? undefined : options.allowedSkips[place(data)];
    if (reason === undefined) fail(`${place(data)}: skipped, and test/allowed-skips.json does not name it`);
    else result.skips.push(`${place(data)}: ${reason}`);
  });
  stream.on('test:fail', (data) => {
    silent.delete(fileOf(data));
    const error = data.details.error as Error & { failureType?: string };
    if (error.failureType === 'subtestsFailed') return;
    const cause = error.cause ?? error;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    fail(`${place(data)}: ${isFile(data) ? 'the file itself ended badly; ' : ''}${text}`);
  });
  stream.on('test:diagnostic', (data) => {
    if (RUNNERS_OWN.test(data.message)) return;
    options.onDiagnostic?.(`${relative(options.root, fileOf(data))}: ${data.message}`);
  });
  stream.on('test:stderr', (data) => process.stderr.write(data.message));
  stream.on('test:coverage', ({ summary }) => {
    for (const file of summary.files) result.coverage.set(file.path, file.coveredLinePercent);
  });
  // Reading the stream is what drives the run.
  for await (const _event of stream);
  for (const file of silent) fail(`${relative(options.root, file)}: holds no test that ran`);
  return result;
}
