/** Exit codes of boundary itself. `run` hands on its command's own code and keeps to 125, 126, 127 (as env(1) does). */
export const exitCodes = {
  /** `check` found faults, `test` a failing case, a service could not start or run on. */
  failed: 1,
  /** The command line is wrong (every command but `run`). */
  usage: 2,
  /** `run`: boundary refused or failed to start the command: nothing of it ran. */
  notStarted: 125,
  /** `run`: the command was found but cannot be executed. */
  notExecutable: 126,
  /** `run`: the command was not found. */
  notFound: 127,
} as const;

/** A fault that is told to the person as it stands, without a stack: what was found, what was expected, what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The message of anything thrown, on one line for a system error (`EACCES: permission denied, open ...`). */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why a file could not be read, and what to do: for behind its name. */
export function readFault(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such file; check the path';
    case 'EISDIR':
      return 'this is a directory; name a file in it';
    case 'EACCES':
      return 'permission denied; make the file readable for the user who starts boundary';
    default:
      return `the file cannot be read: ${messageOf(error)}`;
  }
}

/** The `code` of a system error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
