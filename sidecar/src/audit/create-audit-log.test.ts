import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Ajv } from 'ajv';
import { createMetrics } from '../metrics/create-metrics.ts';
import { type AuditLogOptions, createAuditLog } from './create-audit-log.ts';
import schema from './schema.json' with { type: 'json' };
import type { Outcome, VerdictRecord } from './types.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-audit-'));
after(() => rmSync(directory, { recursive: true }));
const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
let files = 0;
const freshPath = (): string => join(directory, `audit-${++files}.jsonl`);

const record: VerdictRecord = {
  protocol: 'https',
  method: 'GET',
  url: 'https://example.org/?token=abc',
  host: 'example.org',
  port: 443,
  address: null,
  claimed: [],
  verdict: 'allow',
  rule: null,
  reason: 'because',
};
const outcome: Outcome = { status: 200, bytesIn: 0, bytesOut: 5, error: null };

function logTo(path: string, options: Partial<AuditLogOptions> = {}) {
  const { metrics, registry } = createMetrics();
  const log = createAuditLog({ metrics, file: { path, maxBytes: 1e6, keep: 2 }, ...options });
  return { log, registry };
}

/** Every line of a file, each checked against the schema. */
function linesOf(path: string): Record<string, unknown>[] {
  const text = readFileSync(path, 'utf8');
  assert.ok(text === '' || text.endsWith('\n'));
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const parsed: unknown = JSON.parse(line);
      assert.ok(validate(parsed), `${line} ${JSON.stringify(validate.errors)}`);
      return parsed as Record<string, unknown>;
    });
}

test('a short request has one line, which is the last word', async () => {
  const path = freshPath();
  const { log, registry } = logTo(path, { workspace: 'dev', owner: 'ann' });
  const entry = log.open(record);
  assert.equal(entry.id, `${log.run}-1`);
  entry.address('192.0.2.1');
  entry.end(outcome);
  entry.end({ ...outcome, status: 500 });
  await log.close();
  const lines = linesOf(path);
  assert.equal(lines.length, 1);
  assert.deepEqual(
    [lines[0]?.event, lines[0]?.status, lines[0]?.address, lines[0]?.workspace],
    ['request', 200, '192.0.2.1', 'dev'],
  );
  assert.match(await registry.render(), /boundary_audit_written_total\{sink="file"\} 1\n/);
});

test('a long request has a verdict line at once and an end line with the same seq', async () => {
  const path = freshPath();
  const { log } = logTo(path, { verdictAfterMs: 4 });
  const long = log.open(record);
  while (readFileSync(path, 'utf8') === '') await new Promise(setImmediate);
  long.end({ ...outcome, error: 'client-abort' });
  await log.close();
  const lines = linesOf(path);
  assert.deepEqual(
    lines.map((line) => [line.event, line.seq, line.error]),
    [
      ['verdict', 1, undefined],
      ['end', 1, 'client-abort'],
    ],
  );
});

test('closing writes the verdict of what is open', async () => {
  const path = freshPath();
  const { log } = logTo(path);
  const open = [log.open(record), log.open(record), log.open(record)];
  open[1]?.end(outcome);
  await log.close();
  assert.deepEqual(
    linesOf(path).map((line) => [line.seq, line.event]),
    [
      [2, 'request'],
      [1, 'verdict'],
      [3, 'verdict'],
    ],
  );
  open[0]?.end(outcome);
  log.open(record).end(outcome);
  await log.close();
});

test('the file is set aside before it grows past its size, and so many are kept', async () => {
  const path = freshPath();
  const { log } = logTo(path, { file: { path, maxBytes: 4000, keep: 2 } });
  for (let index = 0; index < 100; index++) {
    log.open(record).end(outcome);
    await log.flush();
  }
  await log.close();
  const seqs = [`${path}.2`, `${path}.1`, path].flatMap((file) => {
    assert.ok(statSync(file).size <= 4000);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    return linesOf(file).map((line) => Number(line.seq));
  });
  assert.deepEqual(
    seqs,
    [...seqs.keys()].map((index) => 101 - seqs.length + index),
  );
  assert.throws(() => statSync(`${path}.3`));
});

test('a file that somebody else set aside is followed', async () => {
  const path = freshPath();
  const { log } = logTo(path, { checkMs: 0 });
  log.open(record).end(outcome);
  await log.flush();
  renameSync(path, `${path}.old`);
  log.open(record).end(outcome);
  await log.flush();
  rmSync(path);
  log.open(record).end(outcome);
  await log.close();
  assert.deepEqual([linesOf(`${path}.old`)[0]?.seq, linesOf(path)[0]?.seq], [1, 3]);
});

test('an existing file is appended to and closed to others', async () => {
  const path = freshPath();
  writeFileSync(path, '');
  chmodSync(path, 0o644);
  const { log } = logTo(path);
  await log.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a symbolic link, a directory and a FIFO are refused at the start', () => {
  const link = freshPath();
  symlinkSync('/etc/hostname', link);
  assert.throws(() => logTo(link), /symbolic link/);
  assert.throws(() => logTo(directory), /cannot be opened/);
  const fifo = freshPath();
  execFileSync('mkfifo', [fifo]);
  assert.throws(() => logTo(fifo), /cannot be opened|not a regular file/);
});

test('a full disk makes the log unhealthy; when there is room again it recovers and says what is missing', async () => {
  const path = freshPath();
  const limit = (size: string): void => {
    execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${size}:`]);
  };
  const told = { lines: 0, fault: '' };
  const { log, registry } = logTo(path, {
    queueBytes: 20_000,
    retryMs: 1,
    onFileFailure: ({ message }) => {
      told.fault = message;
    },
    onFileDropped: (lines) => {
      told.lines += lines;
    },
  });
  limit('3000');
  try {
    for (let index = 0; index < 200; index++) {
      log.open(record).end(outcome);
      if (index % 20 === 0) await log.flush();
    }
    await log.flush();
    assert.equal(log.healthy, false);
    assert.ok(statSync(path).size <= 3000);
  } finally {
    limit('unlimited');
  }
  await log.flush();
  assert.equal(log.healthy, true);
  await log.close();
  const lines = linesOf(path);
  const missing = lines.filter((line) => line.event === 'dropped').map((line) => Number(line.count));
  assert.equal(missing.length, 1);
  assert.equal(lines.length - 1 + Number(missing[0]), 200);
  assert.equal(told.lines, missing[0]);
  assert.match(told.fault, /EFBIG/);
  const text = await registry.render();
  assert.match(
    text,
    new RegExp(`boundary_audit_dropped_total\\{sink="file",reason="failing"\\} ${missing[0]}\\n`),
  );
});

test('without a sink nothing can be recorded', async () => {
  const { metrics } = createMetrics();
  const log = createAuditLog({ metrics });
  assert.equal(log.healthy, false);
  log.open(record).end(outcome);
  await log.close();
});

const child = `
  const [, path, how] = process.argv;
  const { createMetrics } = await import(${JSON.stringify(import.meta.resolve('../metrics/create-metrics.ts'))});
  const { createAuditLog } = await import(${JSON.stringify(import.meta.resolve('./create-audit-log.ts'))});
  const log = createAuditLog({
    metrics: createMetrics().metrics,
    file: { path, maxBytes: 1e6, keep: 1 },
    stderr: { colour: false, level: 'warn' },
  });
  const record = ${JSON.stringify(record)};
  for (let i = 0; i < 500; i++) log.open(record).end(${JSON.stringify(outcome)});
  log.open({ ...record, verdict: 'deny', reason: 'no \\u001b[2J rule' }).end({ ...${JSON.stringify(outcome)}, status: 403 });
  if (how === 'exit') process.exit(3);
  process.on('SIGTERM', () => log.close().then(() => process.exit(0)));
  process.stdout.write('ready');
  setInterval(() => {}, 1000);
`;

async function runChild(path: string, how: string) {
  const started = spawn(process.execPath, ['--input-type=module', '-e', child, '--', path, how]);
  let stderr = '';
  started.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (how === 'SIGTERM') {
    await once(started.stdout, 'data');
    started.kill('SIGTERM');
  }
  const [code] = await once(started, 'close');
  return { code, stderr };
}

for (const [how, expected] of [
  ['SIGTERM', 0],
  ['exit', 3],
] as const) {
  test(`nothing is lost when a process ends by ${how}, and stderr has the denial, harmless`, async () => {
    const path = freshPath();
    const { code, stderr } = await runChild(path, how);
    assert.equal(code, expected, stderr);
    assert.equal(linesOf(path).length, 501);
    const lines = stderr.split('\n').filter((line) => !line.includes('Warning'));
    assert.match(
      lines[0] ?? '',
      /^[\d:.]{12} DENY {6} GET https:\/\/example\.org\/\?token=\*\*\* 403 \d+ms .*- no \\u\{1b\}\[2J rule$/,
    );
    assert.equal(lines.length, 2);
  });
}
