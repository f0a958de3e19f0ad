import { randomBytes } from 'node:crypto';
import { type Owner, ownerLabels } from './owner.ts';

/** The four containers that hold a command, and the one-shot among them that hands the policy over. */
export type Part = 'netns' | 'gate' | 'sidecar' | 'policy';

/** What the parts share files through. */
export type Store = 'gate' | 'control' | 'trust' | 'state';

/** What every object of a run is called in the engine, and labelled with. */
export interface RunNames {
  readonly id: string;
  readonly prefix: string;
  readonly command: string;
  /** The sidecar's way out: a network of its own. */
  readonly egress: string;
  part(part: Part): string;
  store(store: Store): string;
  labels(part: Part | Store | 'command' | 'egress'): Readonly<Record<string, string>>;
}

export const PARTS: readonly Part[] = ['netns', 'gate', 'sidecar', 'policy'];
export const STORES: readonly Store[] = ['gate', 'control', 'trust', 'state'];

/** Every object of a run carries it, with the run's id. */
export const RUN_LABEL = 'boundary.run';

/** What an object is within its run. */
export const PART_LABEL = 'boundary.part';

/** On what is to stay when its owner has gone (`--keep`). */
export const KEEP_LABEL = 'boundary.keep';

/** Eight hexadecimal digits: enough for the runs of one engine, short enough to type. */
export function newRunId(): string {
  return randomBytes(4).toString('hex');
}

export function runNames(id: string, owner: Owner, keep: boolean): RunNames {
  const prefix = `boundary-${id}`;
  const common = { [RUN_LABEL]: id, ...ownerLabels(owner), ...(keep ? { [KEEP_LABEL]: 'true' } : {}) };
  return {
    id,
    prefix,
    command: `${prefix}-command`,
    egress: `${prefix}-egress`,
    part: (part) => `${prefix}-${part}`,
    store: (store) => `${prefix}-${store}`,
    labels: (part) => ({ ...common, [PART_LABEL]: part }),
  };
}
