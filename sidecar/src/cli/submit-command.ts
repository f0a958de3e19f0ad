import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type GateStatus, gateFiles } from '../isolation/gate/handover-protocol.ts';
import type { PolicyFault } from '../policy/types.ts';
import { CommandError, exitCodes, readFault } from './command-error.ts';
import { fatalNote, noteAt } from './fatal-note.ts';
import { GATE_DIRECTORY } from './gate-command.ts';
import { addRuleOptions, type PolicyOptions, rulesOfEnvironment } from './policy-options.ts';
import { askSidecar, type SidecarAnswer, SidecarUnreachable, SUBMISSIONS_SOCKET } from './sidecar-socket.ts';
import { writeError, writeOutput } from './terminal.ts';

/** Exit codes of `submit`, for those who start it. */
export const submitCodes = { inForce: 0, refused: 2, notReady: 3 } as const;

const RETRY_MS = 200;
const ANSWER_MS = 10_000;

export interface SubmitOptions extends PolicyOptions {
  /** seconds */
  readonly timeout: string;
}

export function addSubmitCommand(program: Command, finish: (exitCode: number) => void): void {
  const submit = program
    .command('submit')
    .description('give a sidecar its policy and wait for its verdict')
    .argument('<file>', 'the policy')
    .option('--timeout <seconds>', 'how long to wait for the boundary', '30')
    .addHelpText(
      'after',
      `
Exit code: 0 the policy is in force and the boundary is ready, 2 the policy was refused (the one before it stays in
force), 3 the boundary was not ready in time.`,
    )
    .action(async (file: string, options: SubmitOptions) =>
      finish(await submitCommand(file, options, process.env)),
    );
  addRuleOptions(submit);
}

/** Submits a policy. Resolves to one of `submitCodes`; what came of it is said on standard output or error. */
export async function submitCommand(
  file: string,
  options: SubmitOptions,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const seconds = Number(options.timeout);
  if (!(seconds > 0)) {
    throw new CommandError(`--timeout expects seconds, got ${options.timeout}`, exitCodes.usage);
  }
  const submission = {
    file: file.split('/').at(-1) ?? file,
    text: readText(file),
    allow: [...rulesOfEnvironment(env.BOUNDARY_ALLOW), ...(options.allow ?? [])],
    deny: [...rulesOfEnvironment(env.BOUNDARY_DENY), ...(options.deny ?? [])],
    mode: options.mode ?? null,
  };
  const socket = env.BOUNDARY_SUBMISSIONS ?? SUBMISSIONS_SOCKET;
  const waiting = {
    until: performance.now() + seconds * 1000,
    since: Date.now(),
    socket,
    gate: env.BOUNDARY_GATE ?? GATE_DIRECTORY,
  };
  const verdict = await patiently(waiting, () =>
    askSidecar(socket, 'POST', '/v1/policy', { timeoutMs: ANSWER_MS, body: submission }),
  );
  if (verdict === null) return submitCodes.notReady;
  if (verdict.status !== 200) return tellRefusal(verdict);
  const ready = await patiently(waiting, async () => {
    const answer = await askSidecar(socket, 'GET', '/v1/ready', { timeoutMs: ANSWER_MS });
    if (answer.status === 200) return answer;
    const { reasons = [] } = answer.body as { readonly reasons?: readonly string[] };
    throw new SidecarUnreachable(`the sidecar is not ready: ${reasons.join('; ')}`);
  });
  if (ready === null) return submitCodes.notReady;
  const {
    hash,
    rules,
    mode,
    warnings = [],
  } = verdict.body as {
    readonly hash: string;
    readonly rules: number;
    readonly mode: string;
    readonly warnings?: readonly PolicyFault[];
  };
  for (const warning of warnings) writeError(faultText(warning, 'warning: '));
  writeOutput(
    `boundary: policy in force (${rules} rules, mode ${mode}, sha256 ${hash}); gate and sidecar ready`,
  );
  return submitCodes.inForce;
}

/** Tries until it works, a part has said that it cannot start, or the time is over; then says why not. */
async function patiently(
  waiting: { readonly until: number; readonly since: number; readonly socket: string; readonly gate: string },
  attempt: () => Promise<SidecarAnswer>,
): Promise<SidecarAnswer | null> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof SidecarUnreachable)) throw error;
      const gate = noteAt(gateFiles(waiting.gate).status, waiting.since, gateReason);
      const sidecar = fatalNote(waiting.socket, waiting.since);
      const late = performance.now() + RETRY_MS > waiting.until;
      if (late || gate?.fresh || sidecar?.fresh) {
        if (gate !== null) writeError(`boundary: the gate cannot run: ${gate.reason}`);
        if (sidecar !== null) writeError(`boundary: the sidecar cannot start: ${sidecar.reason}`);
        if (gate === null && sidecar === null) writeError(`boundary: ${error.message}`);
        return null;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Why the gate could not start, where its status says so. */
function gateReason(text: string): string | null {
  const status = JSON.parse(text) as GateStatus;
  return status.state === 'fatal' ? (status.reason ?? 'no reason given') : null;
}

function tellRefusal({ status, body }: SidecarAnswer): number {
  const { faults = [], error } = body as {
    readonly faults?: readonly PolicyFault[];
    readonly error?: string;
  };
  for (const fault of faults) writeError(faultText(fault));
  if (faults.length === 0) writeError(`boundary: ${error ?? `the sidecar answered ${status}`}`);
  writeError('boundary: the policy was refused; the one before it stays in force');
  return submitCodes.refused;
}

function faultText({ file, line, column, message }: PolicyFault, prefix = ''): string {
  return `${file}:${line}:${column}: ${prefix}${message}`;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: ${readFault(error)}`, exitCodes.usage);
  }
}
