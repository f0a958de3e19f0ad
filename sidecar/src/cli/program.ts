import { Command, CommanderError } from 'commander';
import { addAuditCommand } from './audit-command.ts';
import { addCaCommand } from './ca-command.ts';
import { addCheckCommand } from './check-command.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { addExplainCommand } from './explain-command.ts';
import { addRunOptions, type RunOptions, runCommand } from './run-command.ts';
import { addSidecarOptions, type SidecarOptions, sidecarCommand } from './sidecar-command.ts';
import { addSmallCommands } from './small-program.ts';
import { writeError, writeOutput } from './terminal.ts';
import { addTestCommand } from './test-command.ts';
import { versionText } from './version.ts';

/** Tells the exit code of a command that ended without an exception. */
export type Finish = (exitCode: number) => void;

const runExamples = `
Examples:
  boundary --allow "domain=github.com" -- curl https://github.com
  boundary --config boundary.yaml -- claude
  boundary --allow "GET registry.npmjs.org" --deny "*.internal.example" -- npm install
  boundary --mode audit -- make build        (nothing is denied, the log says what would be)
  boundary --isolation container --image node:24 --volume .:/work --workdir /work -- npm test

Exit code: the command's own, 128+n where signal n ended it, 127 where it was not found, 126 where it
could not be executed, 125 where boundary refused or failed to start it.`;

const rootHelp = `
\`boundary [flags] -- command\` is short for \`boundary run [flags] -- command\`; its flags: boundary run --help
${runExamples}

Environment: BOUNDARY_CONFIG, BOUNDARY_ALLOW and BOUNDARY_DENY (one rule per line), BOUNDARY_MODE,
BOUNDARY_LOG_LEVEL, BOUNDARY_LOG_DIR, BOUNDARY_ISOLATION, BOUNDARY_UPSTREAM_PROXY, BOUNDARY_UPSTREAM_CA,
PROXY_PORT. A flag beats the environment, which beats the file.`;

/** The whole command line. `finish` is called with the exit code of what ran. */
export function createProgram(env: NodeJS.ProcessEnv, finish: Finish): Command {
  const program = new Command('boundary')
    .description('An agent firewall: one YAML policy decides what a command may reach.')
    .usage('[flags] -- command [args...]\n       boundary <subcommand> ...')
    .version(
      versionText(),
      '-V, --version',
      'print the versions of boundary, its Node and its policy language',
    )
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => writeOutput(text.trimEnd()),
      writeErr: (text) => writeError(text.trimEnd().replace(/^error: /, 'boundary: ')),
    })
    .showHelpAfterError('(boundary --help shows what there is; to run a command, write: boundary -- COMMAND)')
    .addHelpText('after', rootHelp);

  const run = program
    .command('run')
    .description('run a command behind the boundary (the default)')
    .usage('[flags] -- command [args...]')
    .argument('<command...>', 'the command and its arguments')
    .passThroughOptions()
    .addHelpText('after', runExamples)
    .action(async (command: string[], options: RunOptions) =>
      finish(await runCommand(command, options, env)),
    );
  addRunOptions(run);

  const sidecar = program
    .command('sidecar')
    .description('run the proxy as a service, for a container or another machine')
    .addHelpText(
      'after',
      `
Example:
  boundary sidecar --config boundary.yaml --listen 127.0.0.1:8080 --control 127.0.0.1:9090 \\
                   --audit-file audit.jsonl --ca-dir ca
Ready when http://127.0.0.1:9090/readyz answers 200. Reloads on SIGHUP and when the file changes; a policy with
faults is refused and the old one stays. SIGTERM lets open requests end for 10 s.`,
    )
    .action(async (options: SidecarOptions) => finish(await sidecarCommand(options, env)));
  addSidecarOptions(sidecar);

  addSmallCommands(program, finish);
  addCheckCommand(program, env, finish);
  addExplainCommand(program, env, finish);
  addTestCommand(program, env, finish);
  addAuditCommand(program, finish);
  addCaCommand(program, env);
  return program;
}

/**
 * Runs the command line and resolves to its exit code. Faults of the person's making are one line on standard error;
 * whatever else is thrown is a fault of boundary, and shown with its stack.
 */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let exitCode = 0;
  forgetEmpty(process.env);
  const program = createProgram(env, (code) => {
    exitCode = code;
  });
  const names = program.commands.map((command) => command.name());
  const complete = withDefaultCommand(args, names);
  const running = complete[0] === 'run';
  try {
    await program.parseAsync(complete, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      return running ? exitCodes.notStarted : exitCodes.usage;
    }
    const known = error instanceof CommandError;
    writeError(`boundary: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
    return running ? exitCodes.notStarted : known ? error.exitCode : exitCodes.failed;
  }
}

/** A variable that is set to nothing counts as not set, as compose files and templates leave them. */
function forgetEmpty(variables: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === '' && (name.startsWith('BOUNDARY_') || name === 'PROXY_PORT')) delete variables[name];
  }
}

/**
 * `boundary [flags] -- command` means `boundary run [flags] -- command`. Only the first word is looked at: behind
 * flags, `check` is a command to run like any other.
 */
export function withDefaultCommand(args: readonly string[], names: readonly string[]): readonly string[] {
  const [first] = args;
  if (first === undefined) return ['--help'];
  const isRoot = ['--help', '-h', '--version', '-V', 'help'].includes(first) || names.includes(first);
  return isRoot || !first.startsWith('-') ? args : ['run', ...args];
}
