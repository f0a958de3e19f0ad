import { connect } from 'node:net';
import type { Command } from 'commander';
import { gateFiles } from '../isolation/gate/handover-protocol.ts';
import { CommandError, exitCodes, messageOf } from './command-error.ts';
import { GATE_DIRECTORY } from './gate-command.ts';
import { askSidecar, SUBMISSIONS_SOCKET } from './sidecar-socket.ts';
import { writeOutput } from './terminal.ts';

/** A part that takes longer is not well. */
const ANSWER_MS = 4_000;

export function addHealthCommand(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('health')
    .description('whether the part of the boundary beside it is well, for health checks of containers')
    .argument('[part]', 'sidecar or gate', 'sidecar')
    .action(async (part: string) => finish(await healthCommand(part, process.env)));
}

/** Resolves to 0 where the part is well, else throws with the reason. */
async function healthCommand(part: string, env: NodeJS.ProcessEnv): Promise<number> {
  if (part === 'gate') {
    writeOutput(`gate: ${await askGate(env.BOUNDARY_GATE ?? GATE_DIRECTORY)}`);
    return 0;
  }
  if (part !== 'sidecar') {
    throw new CommandError(`health knows sidecar and gate, not ${part}`, exitCodes.usage);
  }
  const socket = env.BOUNDARY_SUBMISSIONS ?? SUBMISSIONS_SOCKET;
  const { status, body } = await askSidecar(socket, 'GET', '/v1/ready', { timeoutMs: ANSWER_MS }).catch(
    (error: unknown) => {
      throw new CommandError(messageOf(error));
    },
  );
  const { reasons = [] } = body as { readonly reasons?: readonly string[] };
  if (status !== 200) throw new CommandError(`the sidecar is not ready: ${reasons.join('; ')}`);
  writeOutput('sidecar: ready');
  return 0;
}

function askGate(directory: string): Promise<string> {
  const { socket: path } = gateFiles(directory);
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new CommandError(`the gate does not answer at ${path}: ${why}`));
    const timer = setTimeout(() => fail('it took too long'), ANSWER_MS);
    let text = '';
    const socket = connect(path, () => socket.write('HEALTH\n'));
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
    });
    socket.on('error', (error) => fail(messageOf(error)));
    socket.on('close', () => {
      clearTimeout(timer);
      if (text.trim() === '') fail('it said nothing');
      else resolve(text.trim());
    });
  });
}
