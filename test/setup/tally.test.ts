import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Tally } from './tally.ts';

const execute = promisify(execFile);

const TEST = "import { describe, it, test } from 'node:test';\n";

describe('tally', () => {
  const root = mkdtempSync(join(tmpdir(), 'boundary-tally-'));
  after(() => rmSync(root, { recursive: true }));

  /** Tallies one file in a process that does not know that it runs within a test: there the runner would refuse. */
  async function tallied(
    source: string,
    allowedSkips: Record<string, string> = {},
  ): Promise<Tally & { readonly said: string[] }> {
    const file = join(root, 'x.test.mjs');
    writeFileSync(file, source);
    const options = JSON.stringify({ root, files: [file], allowedSkips, concurrency: 1 });
    const script = `import { tally } from ${JSON.stringify(join(import.meta.dirname, 'tally.ts'))};
      const said = [];
      const onDiagnostic = (line) => said.push(line);
      const outcome = await tally({ ...${options}, onDiagnostic });
      process.stdout.write(JSON.stringify({ ...outcome, said }));`;
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const driver = join(root, 'driver.mjs');
    writeFileSync(driver, script);
    const { stdout } = await execute(process.execPath, [driver], { env });
    return JSON.parse(stdout) as Tally & { said: string[] };
  }

  const cases: { name: string; source: string; passed: number; failures: RegExp[] }[] = [
    { name: 'passing', source: `${TEST}test('a', () => {}); test('b', () => {});`, passed: 2, failures: [] },
    {
      name: 'a failing test in a suite counts once',
      source: `${TEST}describe('s', () => { it('a', () => {}); it('b', () => { throw new Error('no') }); });`,
      passed: 1,
      failures: [/^x\.test\.mjs > b: Error: no/],
    },
    { name: 'no test', source: 'console.log("1 passed")', passed: 0, failures: [/holds no test/] },
    { name: 'an exit', source: 'process.exit(3)', passed: 0, failures: [/ended badly/] },
    {
      name: 'an exception after the tests',
      source: `${TEST}test('a', () => {}); setTimeout(() => { throw new Error('late') }, 50);`,
      passed: 1,
      failures: [/ended badly/],
    },
    {
      name: 'a process that is killed',
      source: `${TEST}test('a', () => process.kill(process.pid, 'SIGKILL'));`,
      passed: 0,
      failures: [/ended badly/],
    },
    {
      name: 'a failing hook',
      source: `${TEST}import { before } from 'node:test';
        describe('s', () => { before(() => { throw new Error('hook') }); it('a', () => {}); });`,
      passed: 0,
      failures: [/> a: /, /> s: Error: hook/],
    },
    { name: 'a skip', source: `${TEST}test('a', (t) => t.skip());`, passed: 0, failures: [/> a: skipped/] },
    { name: 'a todo', source: `${TEST}test('a', (t) => t.todo());`, passed: 0, failures: [/> a: skipped/] },
    {
      name: 'a skipped suite',
      source: `${TEST}describe.skip('s', () => {});`,
      passed: 0,
      failures: [/> s: skipped/],
    },
  ];
  for (const { name, source, passed, failures } of cases) {
    it(name, async () => {
      const outcome = await tallied(source);
      assert.equal(outcome.passed, passed);
      assert.equal(outcome.failures.length, failures.length, outcome.failures.join('\n'));
      for (const [index, pattern] of failures.entries()) assert.match(outcome.failures[index] ?? '', pattern);
    });
  }

  it('hands on what a test says of itself, and nothing of the runner’s own', async () => {
    const outcome = await tallied(`${TEST}test('a', (t) => t.diagnostic('client: curl 8'));`);
    assert.deepEqual(outcome.said, ['x.test.mjs: client: curl 8']);
  });

  it('lets an allowed skip pass', async () => {
    const outcome = await tallied(`${TEST}test('a', (t) => t.skip());`, { 'x.test.mjs > a': 'why' });
    assert.deepEqual([outcome.failures, outcome.skips], [[], ['x.test.mjs > a: why']]);
  });
});
