import { Command, CommanderError } from 'commander';
import { CommandError, exitCodes } from './command-error.ts';
import { addDoctorCommand } from './doctor-command.ts';
import { addGateCommand } from './gate-command.ts';
import { addHealthCommand } from './health-command.ts';
import { addSubmitCommand } from './submit-command.ts';
import { writeError, writeOutput } from './terminal.ts';

/** Adds the small commands to a command line, so that its help lists them. */
export function addSmallCommands(program: Command, finish: (exitCode: number) => void): void {
  addGateCommand(program, finish);
  addSubmitCommand(program, finish);
  addHealthCommand(program, finish);
  addDoctorCommand(program, finish);
}

/** Runs one of the small commands and resolves to its exit code, as `main` of program.ts does for all. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('boundary').enablePositionalOptions().exitOverride();
  addSmallCommands(program, (code) => {
    exitCode = code;
  });
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => writeOutput(text.trimEnd()),
      writeErr: (text) => writeError(text.trimEnd().replace(/^error: /, 'boundary: ')),
    });
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    const known = error instanceof CommandError;
    writeError(`boundary: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
    return known ? error.exitCode : exitCodes.failed;
  }
}
