import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PullProgress } from './pull-progress.ts';

/** As an engine says it. */
const downloading = (id: string, current: number, total: number) => ({
  status: 'Downloading',
  progressDetail: { current, total },
  progress: '[=>  ]',
  id,
});

test('layers are counted and their bytes added up', () => {
  const progress = new PullProgress('debian:12');
  assert.equal(progress.text(), 'pulling debian:12');
  assert.equal(progress.take({ status: 'Pulling from library/debian', id: '12' }), null);
  for (const id of ['a', 'b']) progress.take({ status: 'Pulling fs layer', progressDetail: {}, id });
  assert.equal(progress.text(), 'pulling debian:12: 0 of 2 layers');
  assert.deepEqual(progress.take(downloading('a', 1_000_000, 4_000_000)), { kind: 'moved' });
  progress.take(downloading('b', 500_000, 500_000));
  assert.equal(progress.text(), 'pulling debian:12: 0 of 2 layers, 1.5 of 4.5 MB');
  progress.take({ status: 'Download complete', progressDetail: {}, id: 'a' });
  progress.take({ status: 'Extracting', progressDetail: { current: 5, total: 4_000_000 }, id: 'a' });
  assert.equal(progress.text(), 'pulling debian:12: 0 of 2 layers, 4.5 of 4.5 MB');
  const done = { status: 'Pull complete', progressDetail: {}, id: 'a' };
  assert.deepEqual(progress.take(done), { kind: 'layer', layer: 'a' });
  assert.deepEqual(progress.take(done), { kind: 'moved' }, 'once');
  assert.deepEqual(progress.take({ status: 'Already exists', progressDetail: {}, id: 'c' }), {
    kind: 'layer',
    layer: 'c',
  });
  assert.equal(progress.text(), 'pulling debian:12: 2 of 3 layers, 4.5 of 4.5 MB');
  assert.equal(progress.take({ status: 'Status: Downloaded newer image for debian:12' }), null);
});

test('whatever an engine says, it is taken', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.anything(),
          fc.record({ id: fc.string(), status: fc.string(), progressDetail: fc.anything() }),
        ),
      ),
      (events) => {
        const progress = new PullProgress('x');
        for (const event of events) progress.take(event);
        assert.match(progress.text(), /^pulling x/);
      },
    ),
  );
});
