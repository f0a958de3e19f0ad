import type { Command } from 'commander';
import { describePolicy } from '../policy/describe.ts';
import type { Policy, PolicyFault } from '../policy/types.ts';
import { exitCodes } from './command-error.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { nothingAllowedWarning, readPolicy, ruleCount, tellFaults } from './policy-source.ts';
import type { Finish } from './program.ts';
import { writeError, writeOutput } from './terminal.ts';

interface CheckOptions extends PolicyOptions {
  readonly json?: boolean;
  readonly upstreamProxy?: string;
}

/** `boundary check [FILE]`: what a policy means, or every fault of it. */
export function addCheckCommand(program: Command, env: NodeJS.ProcessEnv, finish: Finish): void {
  const command = program
    .command('check')
    .description('say what a policy means, where it is blind, and what it opens that is special')
    .argument('[file]', 'the policy, instead of --config');
  addPolicyOptions(command, true)
    .option('--upstream-proxy <url>', 'check it for use with this corporate proxy')
    .option('--json', 'one JSON object per line')
    .addHelpText(
      'after',
      `
Exit code: 0 where the policy loads; 1 with one FILE:LINE:COLUMN: message per fault where it does not.

Example:
  boundary check boundary.yaml`,
    )
    .action((file: string | undefined, options: CheckOptions) =>
      finish(checkPolicy(file === undefined ? options : { ...options, config: file }, env)),
    );
}

function checkPolicy(options: CheckOptions, env: NodeJS.ProcessEnv): number {
  const reading = readPolicy({ options, env, upstreamProxy: options.upstreamProxy !== undefined });
  const { result } = reading;
  if (!result.ok) {
    if (options.json) for (const fault of result.faults) writeOutput(faultJson('fault', fault));
    else tellFaults(result.faults);
    return exitCodes.failed;
  }
  if (options.json) for (const line of jsonLines(result.policy, result.warnings)) writeOutput(line);
  else tell(reading.path, result.policy, result.warnings);
  if (result.policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(reading.path, env)}`);
  return 0;
}

function tell(path: string | null, policy: Policy, warnings: readonly PolicyFault[]): void {
  tellFaults(warnings, 'warning: ');
  writeOutput(`${path ?? 'flags'}: ok, ${ruleCount(policy)}, sha256 ${policy.hash}`);
  const { meaning, blind, special } = describePolicy(policy);
  section('What it means', meaning);
  section('Where it is blind', blind);
  section('What it opens that is special', special);
  section(
    'What process isolation would have to enforce (refused at start without it)',
    policy.confines.map((key) => `${key}:`),
  );
}

function section(title: string, lines: readonly string[]): void {
  if (lines.length === 0) return;
  writeOutput(`\n${title}:`);
  for (const line of lines) writeOutput(`  ${line}`);
}

/** One line per rule, then one per remark; each has `verdict`, `rule` and `reason`. */
function jsonLines(policy: Policy, warnings: readonly PolicyFault[]): string[] {
  const { meaning, blind, special } = describePolicy(policy);
  const remark = (kind: string, reason: string) =>
    JSON.stringify({ kind, verdict: 'allow', rule: null, reason });
  return [
    // The meaning ends with one line per rule. Rules of one preset share their label.
    ...policy.rules.map(({ effect, file, line, label }, index) =>
      JSON.stringify({
        kind: 'rule',
        verdict: effect,
        rule: { file, line },
        reason: meaning.at(index - policy.rules.length) ?? label,
      }),
    ),
    ...blind.map((text) => remark('blind', text)),
    ...special.map((text) => remark('special', text)),
    ...warnings.map((warning) => faultJson('warning', warning)),
  ];
}

/** A policy with a fault allows nothing; one with a warning is in force. */
function faultJson(kind: 'fault' | 'warning', { file, line, column, message }: PolicyFault): string {
  const verdict = kind === 'fault' ? 'deny' : 'allow';
  return JSON.stringify({ kind, verdict, rule: { file, line, column }, reason: message });
}
