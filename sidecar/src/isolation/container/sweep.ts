import type Docker from 'dockerode';
import { asked } from './asked.ts';
import { engineMessage, engineStatus } from './container-error.ts';
import type { Engine } from './engine.ts';
import { leftovers, type RunObject } from './leftovers.ts';
import { type Owner, ownerState } from './owner.ts';
import { PART_LABEL, RUN_LABEL } from './run-names.ts';

/** Waits for an object that another removal of it is still at, in milliseconds. */
const REMOVAL_POLL_MS = 100;
const REMOVAL_POLLS = 100;

/**
 * Removes what runs left behind whose boundary was killed. What cannot be removed now is for the next start.
 * @throws ContainerError where the engine does not list what there is
 */
export async function sweep(engine: Engine, here: Owner): Promise<void> {
  const { docker, now } = engine;
  const objects = await asked('list what earlier runs left', () => runObjects(docker));
  for (const id of leftovers(objects, (labels) => ownerState(labels, here), now)) {
    await removeRun(docker, id).catch(() => {});
  }
}

/**
 * Removes every object of a run: the command first, then the parts, then what they used.
 * @throws Error that names what the engine did not remove, when it has tried everything
 */
export async function removeRun(docker: Docker, id: string): Promise<void> {
  const faults: string[] = [];
  const attempt = async (name: string, remove: () => Promise<unknown>): Promise<void> => {
    const fault = await removed(remove);
    if (fault !== null) faults.push(`${name}: ${fault}`);
  };
  const containers = await docker.listContainers({ all: true, filters: labelled(id) });
  const command = containers.filter(({ Labels }) => Labels[PART_LABEL] === 'command');
  const parts = containers.filter((container) => !command.includes(container));
  for (const group of [command, parts]) {
    await Promise.all(
      group.map(({ Id, Names }) =>
        attempt(`container ${Names[0]?.slice(1) ?? Id}`, () =>
          docker.getContainer(Id).remove({ force: true, v: true }),
        ),
      ),
    );
  }
  const { Volumes } = await docker.listVolumes({ filters: labelled(id) });
  const networks = await docker.listNetworks({ filters: labelled(id) });
  await Promise.all([
    ...(Volumes ?? []).map(({ Name }) => attempt(`volume ${Name}`, () => docker.getVolume(Name).remove())),
    ...networks.map(({ Id, Name }) => attempt(`network ${Name}`, () => docker.getNetwork(Id).remove())),
  ]);
  if (faults.length > 0) throw new Error(faults.join('; '));
}

/** Null once it is gone, whoever removed it; else the engine's reason. */
async function removed(remove: () => Promise<unknown>): Promise<string | null> {
  for (let poll = 0; ; poll++) {
    try {
      await remove();
      return null;
    } catch (error) {
      const status = engineStatus(error);
      if (status === 404) return null;
      // 409: another sweep is at it, or what used it is on its way out.
      if (status !== 409 || poll === REMOVAL_POLLS) return engineMessage(error);
      await new Promise((resolve) => setTimeout(resolve, REMOVAL_POLL_MS));
    }
  }
}

async function runObjects(docker: Docker): Promise<RunObject[]> {
  const filters = { label: [RUN_LABEL] };
  const [containers, { Volumes }, networks] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
    docker.listNetworks({ filters }),
  ]);
  return [
    ...containers.map(({ Labels, Created, State }) => ({
      labels: Labels,
      created: Created * 1000,
      runsCommand: Labels[PART_LABEL] === 'command' && !['created', 'exited', 'dead'].includes(State),
    })),
    ...(Volumes ?? []).map((volume) =>
      storedObject(volume.Labels, 'CreatedAt' in volume ? volume.CreatedAt : null),
    ),
    ...networks.map(({ Labels, Created }) => storedObject(Labels, Created)),
  ];
}

/** @param created RFC 3339; what says no time is as old as can be */
function storedObject(labels: Record<string, string> | undefined | null, created: unknown): RunObject {
  return { labels: labels ?? {}, created: Date.parse(String(created)) || 0, runsCommand: false };
}

function labelled(id: string): { label: string[] } {
  return { label: [`${RUN_LABEL}=${id}`] };
}
