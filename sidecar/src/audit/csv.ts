import type { AuditLine } from './audit-line.ts';
import { printable } from './text.ts';

const columns = [
  'time',
  'run',
  'seq',
  'event',
  'workspace',
  'owner',
  'protocol',
  'method',
  'url',
  'host',
  'port',
  'address',
  'claimed',
  'verdict',
  'rule',
  'reason',
  'status',
  'bytes_in',
  'bytes_out',
  'duration_ms',
  'error',
];

/** The first record of a CSV file (RFC 4180), with its line end. */
export const csvHeader = `${columns.join(',')}\r\n`;

/** One line as a CSV record (RFC 4180). A field that a spreadsheet would take for a formula is preceded by `'`. */
export function csvRecord(line: AuditLine): string {
  const { outcome } = line;
  const fields = [
    new Date(line.time).toISOString(),
    line.run,
    line.seq,
    line.event,
    line.workspace,
    line.owner,
    line.protocol,
    line.method,
    line.url,
    line.host,
    line.port,
    line.address,
    line.claimed.join(' '),
    line.verdict,
    line.rule === null ? null : `${line.rule.file}:${line.rule.line}`,
    line.reason,
    outcome?.status ?? null,
    outcome?.bytesIn ?? null,
    outcome?.bytesOut ?? null,
    line.duration,
    outcome?.error ?? null,
  ];
  return `${fields.map(csvField).join(',')}\r\n`;
}

function csvField(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = printable(value);
  const safe = /^\s*[=+\-@|%]/.test(text) ? `'${text}` : text;
  return /[",\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
