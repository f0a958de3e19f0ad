import { type ClientTrust, REMOVED_VARIABLES, trustVariables } from './client-environment.ts';
import { CommandError, exitCodes } from './command-error.ts';

export interface CommandEnvironmentRequest {
  /** `NAME=VALUE`, as the image sets them. */
  readonly ofImage: readonly string[];
  /** The values of `--env`: `NAME=VALUE`, or `NAME` for one that is handed on. */
  readonly asked: readonly string[];
  readonly trust: ClientTrust;
  /** Whether the command has a terminal. */
  readonly terminal: boolean;
  /** boundary's own. */
  readonly env: NodeJS.ProcessEnv;
}

/**
 * What a command in a container is given beside its image's environment: what makes tools trust the boundary's CA, and
 * what `--env` asks for, which beats the rest. Nothing of this machine is handed on unasked.
 */
export function commandEnvironment(request: CommandEnvironmentRequest): string[] {
  const image = Object.fromEntries(request.ofImage.map(split));
  const removed = Object.keys(image).filter((name) => REMOVED_VARIABLES.includes(name.toUpperCase()));
  const environment: Record<string, string> = {
    // The engine cannot take a variable of the image away; tools read an empty one as none.
    ...Object.fromEntries(removed.map((name) => [name, ''])),
    ...trustVariables(request.trust, image),
    ...(request.terminal && request.env.TERM ? { TERM: request.env.TERM } : {}),
  };
  for (const text of request.asked) {
    const [name, value = request.env[name]] = split(text);
    if (name === '') {
      throw new CommandError(
        `--env ${JSON.stringify(text)} names no variable; expected NAME=VALUE, or NAME to hand one on`,
        exitCodes.notStarted,
      );
    }
    if (value !== undefined) environment[name] = value;
  }
  return Object.entries(environment).map(([name, value]) => `${name}=${value}`);
}

/**
 * The variables that a policy's injected headers take their values from (`${env:NAME}`), which the sidecar has to have.
 * A file of this machine is not in its container.
 * @throws CommandError where the policy takes a value from a file
 */
export function secretsOf(policy: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const text = policy.replaceAll(/^\s*#.*$/gm, '');
  const file = /\$\{file:[^}]*\}/.exec(text)?.[0];
  if (file !== undefined) {
    throw new CommandError(
      `the policy takes a value from ${file}, a file that the sidecar's container does not have; put the value into a variable of boundary's environment and write \${env:NAME}`,
      exitCodes.notStarted,
    );
  }
  const names = [...text.matchAll(/\$\{env:([A-Za-z_]\w*)\}/g)].map((match) => match[1] ?? '');
  return Object.fromEntries(
    names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const])),
  );
}

function split(text: string): [string, string?] {
  const at = text.indexOf('=');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
