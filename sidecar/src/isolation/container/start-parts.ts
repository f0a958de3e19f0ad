import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { putFile } from './archive.ts';
import { asked, asRequest } from './asked.ts';
import { ContainerError, engineMessage } from './container-error.ts';
import { logTail } from './log-tail.ts';
import { gatePart, netnsPart, PATHS, type PartsRequest, policyPart, sidecarPart } from './parts.ts';
import { type Part, STORES } from './run-names.ts';

export interface StartRequest extends PartsRequest {
  readonly docker: Docker;
  /** The text of the policy, which is empty where there is none. */
  readonly policy: string;
  /** PEM certificates that upstreams are verified against beside the image's, or null. */
  readonly upstreamCa: Buffer | null;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
}

/** The parts of a run whose policy is in force. */
export interface RunningParts {
  readonly netnsId: string;
  readonly sidecar: Container;
}

/** The corporate certificates' place in the sidecar. */
export const UPSTREAM_CA_PATH = `${PATHS.state}/upstream-ca.pem`;

/**
 * Makes and starts everything that holds a command, hands the policy over and waits until it is in force.
 * What was made when it throws is left for the caller to remove by its label.
 * @throws ContainerError with the reason that the parts themselves give; the reason of `signal` once that was aborted
 */
export async function startParts(request: StartRequest): Promise<RunningParts> {
  const { docker, names, signal } = request;
  await Promise.all([
    asked(`make the network ${names.egress}`, () =>
      docker.createNetwork({
        Name: names.egress,
        Driver: 'bridge',
        CheckDuplicate: true,
        Labels: { ...names.labels('egress') },
      }),
    ),
    ...STORES.map((store) =>
      asked(`make the volume ${names.store(store)}`, () =>
        docker.createVolume({ Name: names.store(store), Labels: { ...names.labels(store) } }),
      ),
    ),
  ]);
  signal.throwIfAborted();
  const netns = await create(docker, 'netns', netnsPart(request));
  await start('netns', netns);
  signal.throwIfAborted();
  // The gate comes first: a volume takes over owner and mode of the directory where it is mounted first.
  const gate = await create(docker, 'gate', gatePart(request, netns.id));
  const sidecar = await create(docker, 'sidecar', sidecarPart(request));
  if (request.upstreamCa !== null) {
    const { upstreamCa } = request;
    await asked('give the sidecar the certificates of --upstream-ca', () =>
      putFile(sidecar, PATHS.state, 'upstream-ca.pem', upstreamCa),
    );
  }
  const policy = await create(docker, 'policy', policyPart(request));
  await asked('hand the policy over', () => putFile(policy, '/', request.policyName, request.policy));
  signal.throwIfAborted();
  await Promise.all([start('gate', gate), start('sidecar', sidecar), start('policy', policy)]);
  await verdict({ gate, sidecar, policy }, signal);
  return { netnsId: netns.id, sidecar };
}

/** Waits for the one-shot's end. A part that ends before that is a fault at once: its own last words are the reason. */
async function verdict(
  parts: Readonly<Record<'gate' | 'sidecar' | 'policy', Container>>,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const abortSignal = AbortSignal.any([signal, over.signal]);
  const ended = async (part: 'gate' | 'sidecar'): Promise<string> => {
    const { StatusCode } = await parts[part].wait({ condition: 'next-exit', abortSignal });
    const words = await logTail(parts[part]);
    return `the ${part} ended with exit code ${StatusCode}${words === '' ? '' : `:\n${words}`}`;
  };
  const submitted = async (): Promise<string | null> => {
    const { StatusCode } = await parts.policy.wait({ abortSignal });
    if (StatusCode === 0) return null;
    const words = (await logTail(parts.policy)).replace(/^boundary: /, '');
    return words === '' ? `the submission of the policy ended with exit code ${StatusCode}` : words;
  };
  const waits = [submitted(), ended('gate'), ended('sidecar')];
  for (const wait of waits) wait.catch(() => {}); // Those that are not waited for any more.
  let fault: string | null;
  try {
    fault = await Promise.race(waits);
  } catch (error) {
    signal.throwIfAborted();
    throw new ContainerError(`the engine does not say how the start went: ${engineMessage(error)}`);
  } finally {
    over.abort();
  }
  if (fault !== null) throw new ContainerError(`the boundary did not start: ${fault}`);
}

async function create(docker: Docker, part: Part, options: ContainerCreateOptions): Promise<Container> {
  return asked(`make the ${part} container`, () => docker.createContainer(asRequest(options)));
}

async function start(part: Part, container: Container): Promise<void> {
  await asked(`start the ${part} container`, () => container.start());
}
