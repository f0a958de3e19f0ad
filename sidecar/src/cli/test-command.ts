import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import type { Policy, PolicyFault } from '../policy/types.ts';
import { type Answer, answer } from './asked-target.ts';
import { CommandError, exitCodes, readFault } from './command-error.ts';
import { type PolicyCase, type PolicyCases, readPolicyCases } from './policy-cases.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { readPolicy, tellFaults } from './policy-source.ts';
import type { Finish } from './program.ts';
import { writeError, writeOutput } from './terminal.ts';

interface TestOptions extends PolicyOptions {
  readonly json?: boolean;
}

/** `boundary test FILE...`: cases kept beside a policy, run like a unit test. */
export function addTestCommand(program: Command, env: NodeJS.ProcessEnv, finish: Finish): void {
  const command = program
    .command('test')
    .description('run the cases that are kept beside a policy')
    .argument('<files...>', 'files of cases');
  addPolicyOptions(command, false)
    .option('--json', 'one JSON object per line')
    .addHelpText(
      'after',
      `
A file of cases:
  policy: boundary.yaml        # beside this file; --config names another
  cases:
    - { method: GET, url: "https://github.com/api/issues/1", verdict: allow, rule: 3 }
    - { method: DELETE, url: "https://github.com/", verdict: deny }
\`method\` is GET unless told; \`rule\` (the line of the rule that decides, FILE:LINE, or none) may be left out.

Exit code: 0 where every case holds, else 1.

Example:
  boundary test policies/*.test.yaml`,
    )
    .action((files: string[], options: TestOptions) => {
      let failed = 0;
      let total = 0;
      for (const file of files) {
        const { policy, cases } = prepare(file, options, env);
        for (const one of cases) {
          total++;
          if (!runCase(file, one, policy, options.json === true)) failed++;
        }
      }
      if (!options.json) writeOutput(`${total - failed} passed, ${failed} failed`);
      finish(failed === 0 ? 0 : exitCodes.failed);
    });
}

function prepare(file: string, options: TestOptions, env: NodeJS.ProcessEnv) {
  const cases = readCases(file);
  const config = options.config ?? policyBeside(file, cases.policy);
  const { result } = readPolicy({ options: config === undefined ? options : { ...options, config }, env });
  if (!result.ok) throw faulty(result.faults, 'the policy has faults (above)');
  return { policy: result.policy, cases: cases.cases };
}

function readCases(file: string): PolicyCases {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: ${readFault(error)}`);
  }
  const read = readPolicyCases(file, text);
  if (!read.ok) throw faulty(read.faults, 'the file of cases has faults (above)');
  return read.value;
}

function policyBeside(file: string, policy: string | undefined): string | undefined {
  if (policy === undefined || isAbsolute(policy)) return policy;
  return join(dirname(file), policy);
}

function faulty(faults: readonly PolicyFault[], message: string): CommandError {
  tellFaults(faults);
  return new CommandError(message);
}

function runCase(file: string, one: PolicyCase, policy: Policy, json: boolean): boolean {
  const found = answer(policy, one.method, one.url);
  const passed = found.verdict === one.verdict && (one.rule === undefined || isRule(found.rule, one.rule));
  if (json) {
    const { verdict, rule, reason } = found;
    const { method, url } = one;
    const where = { file, line: one.at.line };
    writeOutput(
      JSON.stringify({ passed, verdict, rule, reason, expected: one.verdict, method, url, case: where }),
    );
  } else if (!passed) {
    const wanted = one.rule === undefined ? one.verdict : `${one.verdict} by ${one.rule}`;
    const place = found.rule === null ? 'no rule' : `${found.rule.file}:${found.rule.line}`;
    writeError(
      `${file}:${one.at.line}:${one.at.column}: ${one.method} ${one.url}: expected ${wanted}, found ${found.verdict} by ${place}. ${found.reason}`,
    );
  }
  return passed;
}

/** `wanted` is a line, `FILE:LINE` or the end of it, or `none`. */
function isRule(rule: Answer['rule'], wanted: string): boolean {
  if (rule === null) return wanted === 'none';
  const label = `${rule.file}:${rule.line}`;
  return wanted === String(rule.line) || label === wanted || label.endsWith(`/${wanted}`);
}
