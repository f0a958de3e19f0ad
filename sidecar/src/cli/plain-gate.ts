import { CommandError, exitCodes } from './command-error.ts';
import { GATE_DIRECTORY, gateCommand } from './gate-command.ts';
import { writeError } from './terminal.ts';

/** Runs `boundary gate` without flags, as its container does: without a parser of command lines in its memory. */
export async function main(_args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    return await gateCommand({ dir: env.BOUNDARY_GATE ?? GATE_DIRECTORY });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    writeError(`boundary: ${error.message}`);
    return exitCodes.failed;
  }
}
