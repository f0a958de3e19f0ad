import { type Command, InvalidArgumentError, Option } from 'commander';
import type { AuditLine } from '../audit/audit-line.ts';
import { csvHeader, csvRecord } from '../audit/csv.ts';
import { type AuditFilter, auditFilter, parseMoment } from '../audit/filter.ts';
import { type ReadReport, readAudit, readAuditStream, readReport } from '../audit/read.ts';
import { readableLine } from '../audit/readable-line.ts';
import { summarise, summaryText } from '../audit/summary.ts';
import type { AuditProtocol, VerdictWord } from '../audit/types.ts';
import { CommandError, readFault } from './command-error.ts';
import type { Finish } from './program.ts';
import { writeError, writeOutput } from './terminal.ts';

interface AuditOptions {
  readonly verdict?: readonly VerdictWord[];
  readonly protocol?: readonly AuditProtocol[];
  readonly host?: readonly string[];
  readonly rule?: readonly string[];
  readonly since?: number;
  readonly until?: number;
  readonly format: 'text' | 'json' | 'csv' | 'summary';
  readonly top: number;
}

const verdicts: readonly VerdictWord[] = ['allow', 'deny', 'would-deny'];
const protocols: readonly AuditProtocol[] = ['http', 'https', 'tls', 'tcp', 'dns'];

/** `boundary audit FILE`: reads an audit log, filters it, adds it up, turns it into CSV or JSON. */
export function addAuditCommand(program: Command, finish: Finish): void {
  program
    .command('audit')
    .description('read an audit log: filter, summary, CSV, JSON')
    .argument('<file>', 'the log; what rotation set aside beside it is read too; - for standard input')
    .addOption(new Option('--verdict <list>', verdicts.join(', ')).argParser(listOf(verdicts)))
    .addOption(new Option('--protocol <list>', protocols.join(', ')).argParser(listOf(protocols)))
    .addOption(new Option('--host <pattern>', '* stands for any characters; repeatable').argParser(collect))
    .addOption(
      new Option('--rule <rule>', 'FILE:LINE or the end of it, or none; repeatable').argParser(collect),
    )
    .addOption(
      new Option('--since <time>', 'an ISO 8601 time, or an age: 30s, 15m, 2h, 7d').argParser(moment),
    )
    .addOption(new Option('--until <time>', 'likewise, not included').argParser(moment))
    .addOption(
      new Option('--format <format>', 'what to print')
        .choices(['text', 'json', 'csv', 'summary'])
        .default('summary'),
    )
    .addOption(
      new Option('--top <number>', 'how many hosts and rules the summary names').argParser(whole).default(10),
    )
    .addHelpText(
      'after',
      `
Examples:
  boundary audit audit.jsonl
  boundary audit audit.jsonl --verdict deny --since 1h --format text
  boundary audit audit.jsonl --host "*.github.com" --format csv > github.csv`,
    )
    .action(async (file: string, options: AuditOptions) => {
      const report = readReport();
      try {
        await print(kept(file, report, options), options);
      } catch (error) {
        throw new CommandError(`${file}: ${readFault(error)}`);
      }
      tellReport(report);
      finish(0);
    });
}

async function* kept(file: string, report: ReadReport, options: AuditOptions): AsyncGenerator<AuditLine> {
  const { verdict, protocol, host, rule, since, until } = options;
  const filter: AuditFilter = {
    ...(verdict && { verdicts: verdict }),
    ...(protocol && { protocols: protocol }),
    ...(host && { hosts: host }),
    ...(rule && { rules: rule }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  };
  const keeps = auditFilter(filter);
  const lines =
    file === '-' ? readAuditStream(process.stdin, 'standard input', report) : readAudit(file, report);
  for await (const line of lines) if (keeps(line)) yield line;
}

async function print(lines: AsyncIterable<AuditLine>, { format, top }: AuditOptions): Promise<void> {
  if (format === 'summary') {
    writeOutput(summaryText(await summarise(lines, top)).trimEnd());
    return;
  }
  if (format === 'csv') writeOutput(csvHeader.trimEnd());
  for await (const line of lines) {
    if (format === 'csv') writeOutput(csvRecord(line).trimEnd());
    else if (format === 'json') writeOutput(JSON.stringify(jsonOf(line)));
    else writeOutput(readableLine(line, { colour: false, maskQuery: false }).trimEnd());
  }
}

/** The keys of the audit log itself (docs/audit.md). */
function jsonOf(line: AuditLine): object {
  const { time, outcome, duration, ...verdict } = line;
  return {
    time: new Date(time).toISOString(),
    ...verdict,
    ...(outcome !== null && {
      status: outcome.status,
      bytes_in: outcome.bytesIn,
      bytes_out: outcome.bytesOut,
      duration_ms: duration,
      error: outcome.error,
    }),
  };
}

function tellReport(report: ReadReport): void {
  if (report.broken > 0) {
    writeError(
      `boundary: left out ${report.broken} of ${report.lines} lines that are no audit lines, the first at ${report.firstBroken}`,
    );
  }
  if (report.unfinished) {
    writeError('boundary: the last line has no end: its writer was killed, or is writing');
  }
  if (report.dropped > 0)
    writeError(`boundary: the log says that ${report.dropped} lines could not be written`);
}

function listOf<T extends string>(known: readonly T[]): (text: string) => readonly T[] {
  return (text) =>
    text.split(',').map((item) => {
      const found = known.find((name) => name === item.trim());
      if (found === undefined) throw new InvalidArgumentError(`Expected some of: ${known.join(', ')}.`);
      return found;
    });
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

function moment(text: string): number {
  const time = parseMoment(text, Date.now());
  if (time === null)
    throw new InvalidArgumentError('Expected a time such as 2026-01-31T09:00:00Z, or an age such as 2h.');
  return time;
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Expected a whole number from 1.');
  return Number(text);
}
