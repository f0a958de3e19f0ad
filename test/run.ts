/**
 * Everything a change must pass: formatting and lint, types, the tests. Counts what passed and what failed and ends with
 * one plain line. Needs a build.
 *
 *   node test/run.ts [--coverage] [PART_OF_A_PATH...]
 *
 * With a part of a path only the tests in files whose path holds it run, and no lint.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { installPackages } from './setup/packages.ts';
import { prepare } from './setup/prepare.ts';
import { staticChecks } from './setup/static-checks.ts';
import { tally } from './setup/tally.ts';
import { testFiles } from './setup/test-files.ts';

const root = join(import.meta.dirname, '..');
const { values, positionals: parts } = parseArgs({
  options: { coverage: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const started = performance.now();
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const files = testFiles(root, parts);
for (const fault of installPackages()) say(`setup: ${fault}`);
for (const fault of await prepare(files)) say(`setup: ${fault}`);

let passed = 0;
let failed = 0;
for (const check of parts.length === 0 ? staticChecks() : []) {
  const result = spawnSync(check.command, check.args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status === 0) passed += 1;
  else failed += 1;
  say(`${result.status === 0 ? 'passed' : 'FAILED'}: ${check.name}`);
}

const outcome = await tally({
  root,
  files: files.map((file) => join(root, file)),
  allowedSkips: JSON.parse(readFileSync(join(root, 'test/allowed-skips.json'), 'utf8')) as Record<
    string,
    string
  >,
  coverage: values.coverage,
  concurrency: Math.max(2, availableParallelism()),
  onFailure: (failure) => say(`FAILED: ${failure}\n`),
  onDiagnostic: say,
});
passed += outcome.passed;
failed += outcome.failures.length;

for (const [path, percent] of outcome.coverage) {
  process.stdout.write(`${percent.toFixed(1).padStart(6)} %  ${relative(root, path)}\n`);
}
for (const skip of outcome.skips) say(`skipped: ${skip}`);
if (files.length === 0) {
  say(`no test file's path holds ${parts.join(' or ')}`);
  failed += 1;
}
if (outcome.failures.length > 0) {
  say('failures:');
  for (const failure of outcome.failures) say(`  ${failure.split('\n', 1)[0]}`);
}
say(`${files.length} test files in ${Math.round((performance.now() - started) / 1000)} s`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
