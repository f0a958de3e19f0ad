import { basename } from 'node:path';
import type { AuditLine } from '../audit/audit-line.ts';
import { readAudit, readReport } from '../audit/read.ts';
import { summarise } from '../audit/summary.ts';
import { ContainerError } from '../isolation/container/container-error.ts';
import { connectEngine } from '../isolation/container/engine.ts';
import { thisOwner } from '../isolation/container/owner.ts';
import { AUDIT_PATH, PATHS } from '../isolation/container/parts.ts';
import { registryLogin } from '../isolation/container/registry-login.ts';
import type { CommandEnd } from '../isolation/container/run-attached.ts';
import { type ContainedResult, runContained } from '../isolation/container/run-contained.ts';
import { UPSTREAM_CA_PATH } from '../isolation/container/start-parts.ts';
import { parseVolume } from '../isolation/container/volume.ts';
import type { Mode } from '../policy/types.ts';
import { clientTrustIn } from './client-trust.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { commandEnvironment, secretsOf } from './container-environment.ts';
import type { ContainerOptions } from './container-options.ts';
import { pullDisplay, standardStreams } from './container-streams.ts';
import { logText, tallyText } from './decision-tally.ts';
import { holdSignals, Interrupted } from './held-signals.ts';
import { rulesOfEnvironment } from './policy-options.ts';
import type { PolicyReading } from './policy-source.ts';
import type { LogLevel } from './runtime-options.ts';
import { writeError } from './terminal.ts';
import { upstreamTrust } from './upstream-trust.ts';
import { boundaryVersion } from './version.ts';

export interface ContainerRunRequest {
  readonly command: readonly string[];
  readonly options: ContainerOptions & {
    readonly allow?: readonly string[];
    readonly deny?: readonly string[];
    readonly mode?: Mode;
    readonly upstreamCa?: string;
  };
  readonly env: NodeJS.ProcessEnv;
  readonly reading: PolicyReading;
  readonly upstreamProxy: string | undefined;
  readonly logLevel: LogLevel;
  /** Where the audit log is left, or null: then denials are told on standard error as they come. */
  readonly logFile: string | null;
}

/**
 * Runs a command in a container behind a gate and a sidecar of its own, and resolves to its exit code.
 * @throws CommandError where it was not started
 */
export async function runInContainer(request: ContainerRunRequest): Promise<number> {
  const { options, env, logLevel, logFile } = request;
  using signals = holdSignals();
  using streams = standardStreams();
  const environment = (ofImage: readonly string[]) =>
    commandEnvironment({
      ofImage,
      asked: options.env ?? [],
      trust: clientTrustIn(PATHS.trust),
      terminal: streams.terminal !== null,
      env,
    });
  environment([]); // A fault of --env is told before anything is made.
  try {
    const engine = await connectEngine(env);
    const { image = '', boundaryImage = `ghcr.io/coder/boundary-sidecar:${boundaryVersion()}` } = options;
    const result = await runContained({
      ...sidecarSide(request),
      engine,
      owner: thisOwner(),
      command: request.command,
      image,
      boundaryImage,
      environment,
      volumes: (options.volume ?? []).map((text) => parseVolume(text, process.cwd())),
      workdir: options.workdir,
      user: options.user,
      keep: options.keep ?? false,
      auditFile: logFile,
      streams,
      display: pullDisplay(logLevel === 'error'),
      login: (name) => registryLogin(name, env),
      signal: signals.interrupted,
      onReady(names) {
        if (logLevel === 'error') return;
        writeError(
          `boundary: isolation is container: ${image} has no network but through the boundary (run ${names.id}, ${boundaryImage}, Docker ${engine.version})`,
        );
      },
      onStarted: (signal) => signals.handTo(signal),
      onSidecarLine: logFile === null ? writeError : null,
    });
    await tellResult(result, request);
    return exitCodeOf(result.end);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    if (error instanceof ContainerError) throw new CommandError(error.message, exitCodes.notStarted);
    throw error;
  }
}

/** The policy, and what the sidecar is told beside it. */
function sidecarSide({ options, env, reading, upstreamProxy, logLevel }: ContainerRunRequest) {
  const rules = (flag: string, variable: string | undefined, given: readonly string[] | undefined) =>
    [...rulesOfEnvironment(variable), ...(given ?? [])].flatMap((rule) => [flag, rule]);
  const policy = reading.text ?? '';
  const submitArguments = [
    ...rules('--allow', env.BOUNDARY_ALLOW, options.allow),
    ...rules('--deny', env.BOUNDARY_DENY, options.deny),
    ...(options.mode === undefined ? [] : ['--mode', options.mode]),
  ];
  const name = basename(reading.path ?? '');
  const { corporate } = upstreamTrust(options.upstreamCa);
  const variables: Record<string, string | undefined> = {
    ...secretsOf([policy, ...submitArguments].join('\n'), env),
    BOUNDARY_AUDIT_FILE: AUDIT_PATH,
    BOUNDARY_LOG_LEVEL: logLevel,
    BOUNDARY_UPSTREAM_PROXY: upstreamProxy === undefined ? undefined : reachable(upstreamProxy),
    BOUNDARY_UPSTREAM_CA: corporate.length === 0 ? undefined : UPSTREAM_CA_PATH,
    CODER_WORKSPACE_NAME: env.CODER_WORKSPACE_NAME,
    CODER_WORKSPACE_OWNER_NAME: env.CODER_WORKSPACE_OWNER_NAME,
  };
  return {
    policy,
    // Told in faults and in the audit log; what could be the name of a directory of the image is not used.
    policyName: /^[\w-][\w.-]*\.ya?ml$/.test(name) ? name : 'policy.yaml',
    submitArguments,
    sidecarEnvironment: Object.entries(variables).flatMap(([key, value]) =>
      value ? [`${key}=${value}`] : [],
    ),
    upstreamCa: corporate.length === 0 ? null : Buffer.from(corporate.join('\n')),
  };
}

/** In the sidecar's container this machine's loopback is another one. */
function reachable(upstreamProxy: string): string {
  const host = URL.parse(upstreamProxy)?.hostname ?? '';
  if (!/^(localhost|127\.[\d.]+|\[::1\])$/.test(host)) return upstreamProxy;
  throw new CommandError(
    `--upstream-proxy ${upstreamProxy} is on this machine's loopback, which the sidecar's container does not reach; let that proxy listen on an address of Docker's bridge, and name it by host.docker.internal`,
    exitCodes.notStarted,
  );
}

function exitCodeOf(end: CommandEnd): number {
  switch (end.exitCode) {
    case 'not-found':
      return exitCodes.notFound;
    case 'not-executable':
      return exitCodes.notExecutable;
    default:
      return end.exitCode;
  }
}

async function tellResult(result: ContainedResult, request: ContainerRunRequest): Promise<void> {
  const { end, auditFault, removalFault, names } = result;
  const { logFile, options } = request;
  if (end.fault !== null) writeError(`boundary: ${request.command[0]}: ${end.fault}`);
  if (removalFault !== null) {
    writeError(
      `boundary: not everything of run ${names.id} could be removed (${removalFault}); the next boundary run tries again`,
    );
  }
  if (options.keep) {
    const label = `label=boundary.run=${names.id}`;
    writeError(
      `boundary: kept ${names.prefix}-*, stopped; to remove it: docker rm -v $(docker ps -aq --filter ${label}); docker volume rm $(docker volume ls -q --filter ${label}); docker network rm ${names.egress}`,
    );
  }
  if (logFile === null) return;
  if (auditFault !== null) {
    writeError(
      `boundary: the audit log could not be copied to ${logFile}: ${auditFault}; with --keep the sidecar's stays where it is`,
    );
    return;
  }
  const report = readReport();
  const { verdicts } = await summarise(requests(readAudit(logFile, report)), 0);
  const tally = { allowed: verdicts.allow, denied: verdicts.deny, wouldDeny: verdicts['would-deny'] };
  const losses = { lines: report.dropped, fault: null };
  writeError(`boundary: ${tallyText(tally)}; ${logText(logFile, losses)}`);
}

/** Without the questions to the name server, which are no requests and come with most of them. */
async function* requests(lines: AsyncIterable<AuditLine>): AsyncGenerator<AuditLine> {
  for await (const line of lines) if (line.protocol !== 'dns') yield line;
}
