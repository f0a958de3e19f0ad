import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { Policy } from '../policy/types.ts';
import { type Answer, answer } from './asked-target.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { addPolicyOptions, type PolicyOptions } from './policy-options.ts';
import { nothingAllowedWarning, readPolicy, tellFaults } from './policy-source.ts';
import type { Finish } from './program.ts';
import { writeError, writeOutput } from './terminal.ts';

interface ExplainOptions extends PolicyOptions {
  readonly json?: boolean;
}

/** `boundary explain METHOD URL`: the verdict, its rule, its reason, and what would change it. */
export function addExplainCommand(program: Command, env: NodeJS.ProcessEnv, finish: Finish): void {
  const command = program
    .command('explain')
    .description('say what a policy does with a request, why, and which smallest rule would change it')
    .argument('<method>', 'the method, or - to read "METHOD URL" lines from standard input')
    .argument('[url]', 'http://, https://, or tcp://HOST:PORT for a connection');
  addPolicyOptions(command, false)
    .option('--json', 'one JSON object per line')
    .addHelpText(
      'after',
      `
Nothing is looked up and nothing is sent. The verdict is what enforcing gives, also where the mode is audit.

Examples:
  boundary explain --config boundary.yaml GET https://github.com/coder
  boundary explain --allow "*.github.com" POST https://api.github.com/user
  boundary explain --json - < requests.txt`,
    )
    .action(async (method: string, url: string | undefined, options: ExplainOptions) => {
      const { path, result } = readPolicy({ options, env });
      if (!result.ok) {
        tellFaults(result.faults);
        throw new CommandError('the policy has faults (above)');
      }
      if (result.policy.rules.length === 0) writeError(`boundary: ${nothingAllowedWarning(path, env)}`);
      const show = options.json ? jsonLine : readable;
      if (method === '-') {
        if (url !== undefined) {
          throw new CommandError(
            'with - the requests are read from standard input; drop the URL',
            exitCodes.usage,
          );
        }
        await explainLines(result.policy, options.json ? jsonLine : tabbed);
      } else if (url === undefined) {
        throw new CommandError(
          `found ${JSON.stringify(method)} and no URL after it; expected METHOD URL, such as: boundary explain GET ${method.includes('://') ? method : 'https://github.com/'}`,
          exitCodes.usage,
        );
      } else writeOutput(show(method, url, answer(result.policy, method, url)));
      finish(0);
    });
}

type Show = (method: string, url: string, answer: Answer) => string;

/** One answer per line of standard input; empty lines and those that begin with `#` have none. */
async function explainLines(policy: Policy, show: Show): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const space = text.search(/\s/);
    if (space === -1) {
      const reason = 'Expected a method, a space and a URL on one line.';
      writeOutput(show('', text, { verdict: 'deny', rule: null, reason, change: null }));
      continue;
    }
    const method = text.slice(0, space);
    // What follows is one URL, spaces and all: they are refused there, as the proxy refuses them.
    const url = text.slice(space).trimStart();
    writeOutput(show(method, url, answer(policy, method, url)));
  }
}

const jsonLine: Show = (method, url, { verdict, rule, reason, change }) =>
  JSON.stringify({ verdict, rule, reason, method, url, change });

const readable: Show = (method, url, { verdict, rule, reason, change }) =>
  [
    `${verdict}  ${method} ${url}`,
    `  rule    ${ruleText(rule)}`,
    `  reason  ${reason}`,
    ...(change === null ? [] : [`  change  ${change}`]),
  ].join('\n');

const tabbed: Show = (method, url, { verdict, rule, reason }) =>
  [verdict, `${method} ${url}`.trim(), ruleText(rule), reason].join('\t');

function ruleText(rule: Answer['rule']): string {
  return rule === null ? 'none' : `${rule.file}:${rule.line}`;
}
