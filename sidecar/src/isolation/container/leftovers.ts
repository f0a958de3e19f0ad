import type { OwnerState } from './owner.ts';
import { KEEP_LABEL, RUN_LABEL } from './run-names.ts';

/** An object of the engine with what tells whose it is. */
export interface RunObject {
  readonly labels: Readonly<Record<string, string>>;
  /** When the engine made it, in milliseconds since 1970 by its clock. */
  readonly created: number;
  /** Whether it is a container of a command, and runs. */
  readonly runsCommand: boolean;
}

/** How old what belongs to another machine has to be before it is taken for left over, in milliseconds. */
const ELSEWHERE_AGE_MS = 60 * 60 * 1000;

/**
 * The runs whose owner is gone, by id. Where that cannot be told (`elsewhere`: another machine that uses this engine, or
 * this one before its last boot), a run is left over when its command does not run and all of it is an hour old: no start
 * takes that long. What is to be kept is never left over.
 * @param now the engine's clock, in milliseconds since 1970
 */
export function leftovers(
  objects: readonly RunObject[],
  judge: (labels: Readonly<Record<string, string>>) => OwnerState,
  now: number,
): readonly string[] {
  const runs = Map.groupBy(objects, (object) => object.labels[RUN_LABEL] ?? '');
  return [...runs]
    .filter(([id, parts]) => id !== '' && isLeftOver(parts, judge, now))
    .map(([id]) => id)
    .sort();
}

function isLeftOver(
  parts: readonly RunObject[],
  judge: (labels: Readonly<Record<string, string>>) => OwnerState,
  now: number,
): boolean {
  if (parts.some(({ labels }) => labels[KEEP_LABEL] !== undefined)) return false;
  const states = new Set(parts.map(({ labels }) => judge(labels)));
  if (states.has('alive')) return false;
  if (!states.has('elsewhere')) return true;
  return parts.every(({ created, runsCommand }) => !runsCommand && now - created > ELSEWHERE_AGE_MS);
}
