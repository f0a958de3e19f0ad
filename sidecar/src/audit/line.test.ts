import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import type { Rule } from '../policy/types.ts';
import { parseAuditLine } from './audit-line.ts';
import { LineBuilder, maxLineBytes } from './line.ts';
import schema from './schema.json' with { type: 'json' };
import type { Outcome, VerdictRecord } from './types.ts';

const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);

const wild = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .tuple(
      fc.constantFrom('x', '"', '\u0001', '\u202e', '\ud800', '\u{1f600}', '%2f', '&a='),
      fc.integer({ min: 1, max: 60_000 }),
    )
    .map(([piece, times]) => piece.repeat(times)),
);
const rules: fc.Arbitrary<Rule | null> = fc.option(
  fc.record({ file: wild, line: fc.integer({ min: 1, max: 1e6 }) }).map(({ file, line }) => {
    return { id: 0, effect: 'allow', spec: {}, file, line, column: 1, label: `${file}:${line}` };
  }),
);
const records: fc.Arbitrary<VerdictRecord> = fc.record({
  protocol: fc.constantFrom('http', 'https', 'tls', 'tcp', 'dns'),
  method: fc.option(wild),
  url: fc.option(fc.oneof(wild, fc.webUrl({ withQueryParameters: true }))),
  host: fc.option(wild),
  port: fc.option(fc.integer({ min: 1, max: 65_535 })),
  address: fc.option(wild),
  claimed: fc.array(wild, { maxLength: 12 }),
  verdict: fc.constantFrom('allow', 'deny', 'would-deny'),
  rule: rules,
  reason: wild,
});
const outcomes: fc.Arbitrary<Outcome> = fc.record({
  status: fc.option(fc.integer({ min: 100, max: 999 })),
  bytesIn: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  bytesOut: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  error: fc.option(wild),
});

test('any record gives one valid line of ASCII within 32 KiB that reads back', () => {
  fc.assert(
    fc.property(records, outcomes, fc.option(wild, { nil: undefined }), (record, outcome, workspace) => {
      const lines = new LineBuilder({ run: '0123456789ab', workspace, owner: workspace, maskQuery: true });
      const facts = { seq: 7, record, dialled: record.address };
      for (const line of [
        lines.outcome('request', 1_795_568_862_913, facts, outcome, 12.3456),
        lines.outcome('end', 1_795_568_862_913, facts, outcome, 12.3456),
        lines.verdict(1_795_568_862_913.7, facts),
      ]) {
        assert.match(line, /^[ -~]+\n$/);
        assert.ok(line.length <= maxLineBytes, `${line.length} bytes`);
        const parsed: unknown = JSON.parse(line);
        assert.ok(validate(parsed), JSON.stringify(validate.errors));
        const read = parseAuditLine(line);
        assert.ok(read !== null && read.event !== 'dropped');
        assert.equal(read.verdict, record.verdict);
        assert.equal(new Date(read.time).toISOString(), '2026-11-25T01:07:42.913Z');
      }
    }),
    { numRuns: 300 },
  );
});

const plain: VerdictRecord = {
  protocol: 'https',
  method: 'GET',
  url: 'https://u:p@example.org/a?token=abc&b',
  host: 'example.org',
  port: 443,
  address: null,
  claimed: [],
  verdict: 'allow',
  rule: { id: 0, effect: 'allow', spec: {}, file: '/etc/boundary.yaml', line: 12, column: 5, label: '' },
  reason: 'allowed by a rule',
};

test('the keys of a line, in their order', () => {
  const lines = new LineBuilder({ run: '0123456789ab', workspace: 'w', owner: 'o', maskQuery: true });
  const outcome = { status: 200, bytesIn: 1, bytesOut: 2, error: null };
  assert.deepEqual(
    JSON.parse(
      lines.outcome('request', 0, { seq: 1, record: plain, dialled: '192.0.2.1' }, outcome, 0.12345),
    ),
    {
      version: 1,
      time: '1970-01-01T00:00:00.000Z',
      run: '0123456789ab',
      seq: 1,
      event: 'request',
      workspace: 'w',
      owner: 'o',
      protocol: 'https',
      method: 'GET',
      url: 'https://example.org/a?token=***&***',
      host: 'example.org',
      port: 443,
      address: '192.0.2.1',
      verdict: 'allow',
      rule: { file: '/etc/boundary.yaml', line: 12 },
      reason: 'allowed by a rule',
      status: 200,
      bytes_in: 1,
      bytes_out: 2,
      duration_ms: 0.123,
      error: null,
    },
  );
});

test('what was cut is named, on that line alone', () => {
  const lines = new LineBuilder({ run: '0123456789ab', maskQuery: true });
  const long = {
    ...plain,
    url: `https://h/${'a'.repeat(1_000_000)}`,
    claimed: Array(20).fill('x'.repeat(1000)),
  };
  const first = JSON.parse(lines.verdict(0, { seq: 1, record: long, dialled: null }));
  assert.deepEqual(first.truncated, ['url', 'claimed']);
  const second = JSON.parse(lines.verdict(0, { seq: 2, record: plain, dialled: null }));
  assert.ok(!('truncated' in second));
});

test('a drop has a line of its own', () => {
  const lines = new LineBuilder({ run: '0123456789ab', maskQuery: true });
  const parsed: unknown = JSON.parse(lines.dropped(0, 'file', 'failing', 3));
  assert.ok(validate(parsed), JSON.stringify(validate.errors));
});

test('query values are kept where the operator asked for that; user information never', () => {
  const lines = new LineBuilder({ run: '0123456789ab', maskQuery: false });
  const record = { ...plain, url: 'https://u:p@h/?a=1' };
  assert.equal(JSON.parse(lines.verdict(0, { seq: 1, record, dialled: null })).url, 'https://h/?a=1');
});
