import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locked } from '../setup/machine-lock.ts';

const PAGE = join(import.meta.dirname, '../../docs/isolation.md');
const LOCK = join(import.meta.dirname, '../../.cache/docker/isolation-page.lock');

export interface Row {
  readonly name: string;
  /** By column. */
  readonly cells: Map<string, string>;
}

/** Puts a table where docs/isolation.md has its markers. Writes only where it differs. */
export async function writeResults(
  title: string,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<void> {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const table = [
    line(['attack', ...columns]),
    line(['---', ...columns.map(() => '---')]),
    ...rows.map(({ name, cells }) => line([name, ...columns.map((column) => cells.get(column) ?? '')])),
  ];
  const [begin, end] = [`<!-- results: ${title} -->`, `<!-- end of results: ${title} -->`];
  await locked(LOCK, async () => {
    const page = readFileSync(PAGE, 'utf8');
    const [before, rest] = page.split(`${begin}\n`);
    const behind = rest?.split(`${end}\n`)[1];
    if (before === undefined || behind === undefined)
      throw new Error(`${PAGE} has no place ${begin} ... ${end}`);
    const next = `${before}${begin}\n${table.join('\n')}\n${end}\n${behind}`;
    if (next !== page) writeFileSync(PAGE, next);
  });
}
