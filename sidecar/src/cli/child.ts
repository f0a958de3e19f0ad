import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { codeOf, exitCodes, messageOf } from './command-error.ts';
import { inTerminalForeground } from './terminal.ts';

/** Handed on to the command. SIGTSTP, SIGCONT and the like keep their ordinary meaning: job control works. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

/** What a terminal sends to its whole foreground group, so that the command has it already. */
const sentByTerminal: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

export interface ChildResult {
  /** The command's own exit code; 128+n where signal n ended it; 126 or 127 where it could not be executed. */
  readonly exitCode: number;
  /** A sentence where it could not be executed, else null. */
  readonly fault: string | null;
}

/**
 * Runs a command with this process's standard streams, in its process group (so that the terminal's foreground,
 * job control and ^Z are the command's too), forwards signals, and resolves when it has ended. Never rejects.
 */
export function runChild(command: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildResult> {
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    let child: ChildProcess | undefined;
    // Listening begins before the child exists: a signal in between would end this process and orphan the command.
    let early: NodeJS.Signals[] = [];
    const forward = (signal: NodeJS.Signals) => {
      if (sentByTerminal.has(signal) && inTerminalForeground()) return;
      if (child?.pid === undefined) early.push(signal);
      else child.kill(signal);
    };
    const settle = (result: ChildResult) => {
      for (const signal of forwarded) process.removeListener(signal, forward);
      resolve(result);
    };
    for (const signal of forwarded) process.on(signal, forward);
    try {
      child = spawn(file, args, { stdio: 'inherit', env });
    } catch (error) {
      // A NUL byte in an argument, or an argument list that is too long.
      settle(cannotExecute(file, error));
      return;
    }
    const started = child;
    started.once('spawn', () => {
      for (const signal of early) started.kill(signal);
      early = [];
    });
    started.once('error', (error) => settle(cannotExecute(file, error)));
    started.once('exit', (code, signal) => settle({ exitCode: exitCodeOf(code, signal), fault: null }));
  });
}

/** The exit code that a shell would report: the process's own, or 128 plus the signal's number. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  return signal === null ? exitCodes.notStarted : 128 + constants.signals[signal];
}

function cannotExecute(file: string, error: unknown): ChildResult {
  if (codeOf(error) === 'ENOENT') {
    return {
      exitCode: exitCodes.notFound,
      fault: `${file}: command not found; check its spelling, or give its full path`,
    };
  }
  const hint =
    codeOf(error) === 'EACCES' ? '; expected a program that you may execute (chmod +x makes one)' : '';
  return {
    exitCode: exitCodes.notExecutable,
    fault: `${file}: cannot be executed: ${messageOf(error)}${hint}`,
  };
}
