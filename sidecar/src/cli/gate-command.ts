import { once } from 'node:events';
import type { Command } from 'commander';
import { CommandError, messageOf } from './command-error.ts';
import { writeError } from './terminal.ts';

export interface GateCommandOptions {
  readonly dir: string;
}

/** Where gate and sidecar meet in boundary's image. */
export const GATE_DIRECTORY = '/run/boundary/gate';

export function addGateCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('gate')
    .description('close the network namespace it runs in and hand its only way out to a sidecar')
    .option(
      '--dir <dir>',
      'the directory it shares with the sidecar',
      process.env.BOUNDARY_GATE ?? GATE_DIRECTORY,
    )
    .addHelpText(
      'after',
      `
It needs user 0 and the capability NET_ADMIN in a network namespace of its own, shared with what is to be confined:
every IPv4 address becomes local, TCP and DNS go to the sidecar, the rest is refused. No byte passes through it.`,
    )
    .action(async (options: GateCommandOptions) => finish(await gateCommand(options)));
}

/** Runs the gate until SIGTERM or SIGINT. Throws where the namespace cannot be closed. */
export async function gateCommand({ dir }: GateCommandOptions): Promise<number> {
  const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const say = (line: string) => writeError(`boundary gate: ${line}`);
  // Loaded here, so that commands beside it do without its native part.
  const { runGate, writeStatus } = await import('../isolation/gate/run-gate.ts');
  try {
    const gate = await runGate({ directory: dir, say });
    say(`the namespace is closed; TCP goes to port ${gate.tcpPort}, DNS to port ${gate.udpPort}`);
    await stop;
    await gate.close();
    say('stopped; the namespace stays closed');
    return 0;
  } catch (error) {
    const reason = messageOf(error);
    try {
      writeStatus(dir, { state: 'fatal', reason });
    } catch (fault) {
      say(`its directory cannot be written: ${messageOf(fault)}`);
    }
    throw new CommandError(`the gate cannot run: ${reason}`);
  }
}
