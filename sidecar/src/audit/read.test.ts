import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import type { AuditLine } from './audit-line.ts';
import { csvHeader, csvRecord } from './csv.ts';
import { auditFilter, parseMoment } from './filter.ts';
import { LineBuilder } from './line.ts';
import { readAudit, readAuditStream, readReport } from './read.ts';
import { summarise, summaryText } from './summary.ts';
import type { VerdictRecord } from './types.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-read-'));
after(() => rmSync(directory, { recursive: true }));

const builder = new LineBuilder({ run: '0123456789ab', maskQuery: true });
const record: VerdictRecord = {
  protocol: 'https',
  method: 'GET',
  url: 'https://example.org/',
  host: 'example.org',
  port: 443,
  address: null,
  claimed: [],
  verdict: 'allow',
  rule: null,
  reason: 'because',
};
const rule = {
  id: 0,
  effect: 'deny',
  spec: {},
  file: '/etc/boundary.yaml',
  line: 4,
  column: 1,
  label: '',
} as const;
const outcome = { status: 200, bytesIn: 10, bytesOut: 5, error: null };

function requestLine(seq: number, over: Partial<VerdictRecord> = {}): string {
  return builder.outcome(
    'request',
    seq * 1000,
    { seq, record: { ...record, ...over }, dialled: null },
    outcome,
    1,
  );
}

async function all(lines: AsyncIterable<AuditLine>): Promise<AuditLine[]> {
  const read: AuditLine[] = [];
  for await (const line of lines) read.push(line);
  return read;
}

test('files that were set aside come first, oldest to newest', async () => {
  const path = join(directory, 'rotated.jsonl');
  writeFileSync(`${path}.2`, requestLine(1) + requestLine(2));
  writeFileSync(`${path}.1`, requestLine(3));
  writeFileSync(path, requestLine(4));
  const report = readReport();
  const lines = await all(readAudit(path, report));
  assert.deepEqual(
    lines.map((line) => line.seq),
    [1, 2, 3, 4],
  );
  assert.deepEqual(report, { lines: 4, broken: 0, firstBroken: null, unfinished: false, dropped: 0 });
  await assert.rejects(all(readAudit(join(directory, 'absent'), report)), { code: 'ENOENT' });
});

test('broken lines are counted and said, and the rest is read', async () => {
  const text = [
    requestLine(1),
    'not json\n',
    '[]\n',
    '{"version":2}\n',
    `${'x'.repeat(100_000)}\n`,
    builder.dropped(0, 'file', 'failing', 7),
    requestLine(2),
    requestLine(3).slice(0, 40),
  ].join('');
  // In small pieces, so that every line is torn somewhere.
  const pieces = text.match(/.{1,777}/gs) ?? [];
  const report = readReport();
  const lines = await all(
    readAuditStream(Readable.from(pieces.map((piece) => Buffer.from(piece))), 'in', report),
  );
  assert.deepEqual(
    lines.map((line) => line.seq),
    [1, 2],
  );
  assert.deepEqual(report, { lines: 8, broken: 5, firstBroken: 'in:2', unfinished: true, dropped: 7 });
});

const denied = { verdict: 'deny', host: 'api.evil.example', rule } as const;
for (const [name, filter, kept] of [
  ['everything', {}, [1, 2, 3]],
  ['verdict', { verdicts: ['deny'] }, [2]],
  ['protocol', { protocols: ['tcp', 'http'] }, [3]],
  ['host', { hosts: ['example.org'] }, [1, 3]],
  ['host glob', { hosts: ['*.evil.*'] }, [2]],
  ['host glob does not overlap', { hosts: ['example.o*.org'] }, []],
  ['rule by its whole name', { rules: ['/etc/boundary.yaml:4'] }, [2]],
  ['rule by its end', { rules: ['boundary.yaml:4'] }, [2]],
  ['not by half a name', { rules: ['yaml:4'] }, []],
  ['no rule', { rules: ['none'] }, [1, 3]],
  ['since and until', { since: 2000, until: 3000 }, [2]],
] as const) {
  test(`filter: ${name}`, async () => {
    const text = requestLine(1) + requestLine(2, denied) + requestLine(3, { protocol: 'tcp' });
    const lines = await all(readAuditStream(Readable.from([Buffer.from(text)]), 'in', readReport()));
    assert.deepEqual(
      lines.filter(auditFilter(filter)).map((line) => line.seq),
      kept,
    );
  });
}

for (const [text, moment] of [
  ['15m', 100 - 900_000],
  ['7d', 100 - 7 * 86_400_000],
  ['1970-01-02', 86_400_000],
  ['1970-01-01T00:00:01Z', 1000],
  ['yesterday', null],
  ['12', null],
  ['1970-13-01', null],
] as const) {
  test(`moment: ${text}`, () => assert.equal(parseMoment(text, 100), moment));
}

test('a request counts once in the summary, however many lines it has', async () => {
  const facts = { seq: 9, record: { ...record, host: 'slow.example' }, dialled: null };
  const text =
    requestLine(1) +
    requestLine(2, denied) +
    requestLine(3, { ...denied, verdict: 'would-deny' }) +
    builder.verdict(9000, facts) +
    builder.outcome('end', 10_000, facts, { ...outcome, error: 'client-abort' }, 1000);
  const summary = await summarise(readAuditStream(Readable.from([Buffer.from(text)]), 'in', readReport()));
  assert.deepEqual(summary, {
    first: 1000,
    last: 10_000,
    requests: 4,
    verdicts: { allow: 2, deny: 1, 'would-deny': 1 },
    errors: 1,
    bytesIn: 40,
    bytesOut: 20,
    topHosts: [
      { name: 'api.evil.example', count: 2 },
      { name: 'example.org', count: 1 },
      { name: 'slow.example', count: 1 },
    ],
    topDenied: [{ name: 'api.evil.example', count: 2 }],
    topRules: [
      { name: '(none)', count: 2 },
      { name: '/etc/boundary.yaml:4', count: 2 },
    ],
  });
  assert.match(
    summaryText(summary),
    /^4 requests, .*\n {2}allowed 2, denied 1, would be denied 1, failed 1\n/,
  );
});

test('a log of many hosts is summarised in bounded memory', async () => {
  async function* many(): AsyncGenerator<AuditLine> {
    const line = {
      ...record,
      claimed: [],
      time: 0,
      run: '',
      seq: 1,
      event: 'request',
      workspace: null,
      owner: null,
    } as const;
    for (let index = 0; index < 150_000; index++)
      yield { ...line, host: `h${index}`, outcome: null, duration: null };
  }
  const summary = await summarise(many(), 1);
  assert.deepEqual(summary.topHosts, [{ name: '(others)', count: 50_000 }]);
});

test('CSV: a field that a spreadsheet would run is defused, quotes are doubled, controls shown', async () => {
  const text = requestLine(1, {
    url: '=HYPERLINK("http://x")',
    host: '@SUM(A1)',
    reason: 'a "quoted", reason\r\n',
    method: '-1+1',
  });
  const [line] = await all(readAuditStream(Readable.from([Buffer.from(text)]), 'in', readReport()));
  assert.ok(line !== undefined);
  assert.equal(
    csvRecord(line),
    `1970-01-01T00:00:01.000Z,0123456789ab,1,request,,,https,'-1+1,"'=HYPERLINK(""http://x"")",'@SUM(A1),443,,,allow,,"a ""quoted"", reason\\u{d}\\u{a}",200,10,5,1,\r\n`,
  );
  assert.equal(csvHeader.split(',').length, 21);
});
