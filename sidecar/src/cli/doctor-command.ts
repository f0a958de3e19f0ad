import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CommandError, messageOf } from './command-error.ts';

/** Beside the program as it ships, and in its sources. */
const SCRIPTS = ['../../doctor.sh', '../../../scripts/doctor.sh'];

export function addDoctorCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('doctor')
    .description('look for what lies open around the boundary, from inside a workspace')
    .option('--json', 'print the findings as one JSON object')
    .option('--report <url>', 'post them as well, to http://boundary.internal/v1/doctor')
    .addHelpText(
      'after',
      '\nExit code: 0 nothing was found, 1 something was. A workspace can say of itself what it likes: this finds what a\ntemplate forgot, and stops nobody.',
    )
    .action((options: { readonly json?: boolean; readonly report?: string }) => {
      const args = [
        ...(options.json === true ? ['--json'] : []),
        ...(options.report === undefined ? [] : ['--report', options.report]),
      ];
      finish(runDoctor(args));
    });
}

/** The same script that a template's startup script carries: a workspace need not have this program. */
function runDoctor(args: readonly string[]): number {
  const script = SCRIPTS.map((path) => fileURLToPath(new URL(path, import.meta.url))).find(existsSync);
  if (script === undefined) throw new CommandError('doctor.sh is missing; install boundary again');
  const { status, error } = spawnSync('sh', [script, ...args], { stdio: 'inherit' });
  if (status === null) {
    throw new CommandError(
      `the checks could not be run: ${error === undefined ? 'ended by a signal' : messageOf(error)}`,
    );
  }
  return status;
}
