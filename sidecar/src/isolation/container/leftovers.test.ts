import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftovers, type RunObject } from './leftovers.ts';
import type { OwnerState } from './owner.ts';
import { KEEP_LABEL, RUN_LABEL } from './run-names.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const HOUR = 3_600_000;

/** An object of a run, whose label `state` is what its owner will be judged to be. */
function object(
  run: string,
  state: OwnerState,
  more: Partial<RunObject> & { keep?: boolean } = {},
): RunObject {
  return {
    labels: { [RUN_LABEL]: run, state, ...(more.keep ? { [KEEP_LABEL]: 'true' } : {}) },
    created: more.created ?? NOW - 1000,
    runsCommand: more.runsCommand ?? false,
  };
}

const swept = (...objects: RunObject[]) => leftovers(objects, (labels) => labels.state as OwnerState, NOW);

test('a run is left over when its owner is gone, whatever still runs in it', () => {
  assert.deepEqual(
    swept(
      object('a', 'alive'),
      object('b', 'gone', { runsCommand: true }),
      object('b', 'gone'),
      object('c', 'gone'),
    ),
    ['b', 'c'],
  );
});

test('what is to be kept is never left over', () => {
  assert.deepEqual(
    swept(object('a', 'gone', { keep: true }), object('b', 'elsewhere', { keep: true, created: 0 })),
    [],
  );
});

test('a run of another machine is left over when its command is not running and all of it is an hour old', () => {
  const old = { created: NOW - 2 * HOUR };
  assert.deepEqual(
    swept(
      object('old', 'elsewhere', old),
      object('running', 'elsewhere', old),
      object('running', 'elsewhere', { ...old, runsCommand: true }),
      object('starting', 'elsewhere', old),
      object('starting', 'elsewhere', { created: NOW - 1000 }),
    ),
    ['old'],
  );
});

test('an object without a run is nobody of ours', () => {
  assert.deepEqual(
    leftovers([{ labels: {}, created: 0, runsCommand: false }], () => 'gone', NOW),
    [],
  );
});
