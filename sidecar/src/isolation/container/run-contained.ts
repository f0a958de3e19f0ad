import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import { collectAudit } from './collect-audit.ts';
import { engineMessage } from './container-error.ts';
import type { Engine } from './engine.ts';
import { type Following, followLines } from './follow-lines.ts';
import type { Owner } from './owner.ts';
import { SIDECAR_GRACE_S } from './parts.ts';
import { ensureImage, type PullDisplay } from './pull.ts';
import type { RegistryLogin } from './registry-login.ts';
import { type CommandEnd, runAttached, type Streams } from './run-attached.ts';
import { newRunId, type RunNames, runNames } from './run-names.ts';
import { startParts } from './start-parts.ts';
import { removeRun, sweep } from './sweep.ts';
import { mountOf, refuseEngine, type Volume } from './volume.ts';

export interface ContainedRequest {
  readonly engine: Engine;
  readonly owner: Owner;
  readonly command: readonly string[];
  /** The command's image, and the boundary's. */
  readonly image: string;
  readonly boundaryImage: string;
  /** The command's environment (`NAME=VALUE`), given what its image sets. */
  environment(ofImage: readonly string[]): readonly string[];
  readonly volumes: readonly Volume[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  /** The text of the policy, what its file is called, and the flags of `submit` that go with it. */
  readonly policy: string;
  readonly policyName: string;
  readonly submitArguments: readonly string[];
  readonly sidecarEnvironment: readonly string[];
  readonly upstreamCa: Buffer | null;
  /** Stops everything at the end and removes nothing. */
  readonly keep: boolean;
  /** Where the audit log is copied to, or null. */
  readonly auditFile: string | null;
  readonly streams: Streams;
  readonly display: PullDisplay;
  login(image: string): Promise<RegistryLogin | undefined>;
  /** Ends a start that is under way. */
  readonly signal: AbortSignal;
  /** Told when everything stands and the command is about to start. */
  onReady(names: RunNames): void;
  /** Told once the command can take signals. */
  onStarted(signal: (name: NodeJS.Signals) => void): void;
  /** Takes each line that the sidecar writes for people, or null where nobody reads them. */
  readonly onSidecarLine: ((line: string) => void) | null;
}

export interface ContainedResult {
  readonly end: CommandEnd;
  /** Why the audit log could not be copied, or null. */
  readonly auditFault: string | null;
  /** What could not be removed, or null. */
  readonly removalFault: string | null;
  readonly names: RunNames;
}

/**
 * Runs a command in a container whose network namespace the boundary holds, and removes every object of the run at its
 * end, however it ends. What a run that was killed left behind is removed first.
 * @throws ContainerError where it was not started; the reason of `signal` where that came before the command
 */
export async function runContained(request: ContainedRequest): Promise<ContainedResult> {
  const { engine, owner, display, signal } = request;
  const { docker } = engine;
  for (const volume of request.volumes) refuseEngine(volume, engine);
  await sweep(engine, owner);
  const pull = { docker, login: request.login, display, signal };
  await ensureImage({
    ...pull,
    image: request.boundaryImage,
    advice: 'name a mirror of it with --boundary-image, or load it into the engine (docker load)',
  });
  await ensureImage({
    ...pull,
    image: request.image,
    advice: 'check the name of --image, log in to its registry (docker login), or load it (docker load)',
  });
  signal.throwIfAborted();

  const names = runNames(newRunId(), owner, request.keep);
  let sidecar: Container | null = null;
  let following: Following | null = null;
  let auditFault: string | null = null;
  let removalFault: string | null = null;
  let end: CommandEnd | null = null;
  let stopping = false;
  try {
    const parts = await startParts({ ...request, docker, names, image: request.boundaryImage });
    sidecar = parts.sidecar;
    const { Config } = await docker.getImage(request.image).inspect();
    signal.throwIfAborted();
    const { onSidecarLine } = request;
    if (onSidecarLine !== null) {
      following = await followLines(sidecar, (line) => {
        // What it says of its own end is of no use to anybody.
        if (!stopping || !line.startsWith('boundary: ')) onSidecarLine(line);
      });
    }
    request.onReady(names);
    end = await runAttached({
      ...request,
      docker,
      names,
      netnsId: parts.netnsId,
      environment: request.environment(Config.Env ?? []),
      volumes: request.volumes.map(mountOf),
    });
  } finally {
    stopping = true;
    // Of a command that was not started there is nothing to look at.
    const keep = request.keep && end !== null;
    if (sidecar !== null) {
      await stopRun(docker, names, sidecar, keep);
      await following?.finish();
      if (request.auditFile !== null) auditFault = await collectAudit(sidecar, request.auditFile);
    }
    if (!keep) {
      removalFault = await removeRun(docker, names.id).then(
        () => null,
        (error: unknown) => engineMessage(error),
      );
    }
  }
  return { end, auditFault, removalFault, names };
}

/** The command goes first, so that its connections end; then the sidecar, which writes the rest of its log. */
async function stopRun(docker: Docker, names: RunNames, sidecar: Container, all: boolean): Promise<void> {
  const stop = (container: Container, t: number) => container.stop({ t }).catch(() => {});
  await stop(docker.getContainer(names.command), 0);
  await stop(sidecar, SIDECAR_GRACE_S);
  for (const part of all ? (['gate', 'netns'] as const) : []) {
    await stop(docker.getContainer(names.part(part)), 0);
  }
}
