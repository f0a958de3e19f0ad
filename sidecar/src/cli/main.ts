import { SMALL_COMMANDS } from './small-commands.ts';

// The rest of the program is loaded only by those who need it: a gate lives for months beside the workspace, and a
// health check starts every few seconds.
const args = process.argv.slice(2);
const [name = ''] = args;
const { main } =
  args.length === 1 && name === 'gate'
    ? await import('./plain-gate.ts')
    : SMALL_COMMANDS.has(name)
      ? await import('./small-program.ts')
      : await import('./program.ts');
process.exitCode = await main(args, process.env);
