import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSink, type BatchSinkOptions, type Output } from './batch-sink.ts';

/** An output that takes what it is told to take, and remembers it. */
function fakeOutput() {
  const written: string[] = [];
  const state: { mode: 'take' | 'fail' | 'hang'; most: number; release: () => void } = {
    mode: 'take',
    most: Number.POSITIVE_INFINITY,
    release: () => undefined,
  };
  const output: Output = {
    async write(bytes) {
      if (state.mode === 'fail') throw new Error('no space');
      if (state.mode === 'hang') await new Promise<void>((resolve) => (state.release = resolve));
      const taken = bytes.subarray(0, Math.min(bytes.length, state.most));
      written.push(taken.toString());
      return taken.length;
    },
    writeSync: (bytes) => void written.push(bytes.toString()),
    close: async () => undefined,
  };
  return { output, state, text: () => written.join('') };
}

function sinkOver(output: Output, options: Partial<BatchSinkOptions> = {}) {
  const counts = { written: 0, dropped: new Map<string, number>(), failures: 0 };
  const sink = new BatchSink({
    name: 'test',
    output,
    gatherMs: 1,
    retryMs: 1,
    onWritten: (lines) => {
      counts.written += lines;
    },
    onDropped: (reason, lines) => counts.dropped.set(reason, (counts.dropped.get(reason) ?? 0) + lines),
    onFailure: () => {
      counts.failures++;
    },
    dropLine: (reason, lines) => `dropped ${lines} ${reason}\n`,
    ...options,
  });
  return { sink, counts };
}

test('lines come out in order, in batches, whatever part of a batch is taken', async () => {
  const { output, state, text } = fakeOutput();
  state.most = 7;
  const { sink, counts } = sinkOver(output, { batchLimit: 50 });
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index}\n`);
  for (const line of lines) sink.add(line);
  await sink.flush();
  assert.equal(text(), lines.join(''));
  assert.equal(counts.written, 200);
  await sink.close(1000);
});

test('a failing output is unhealthy, the queue is bounded, and what was dropped is written down on recovery', async () => {
  const { output, state, text } = fakeOutput();
  const { sink, counts } = sinkOver(output, { queueLimit: 100 });
  state.mode = 'fail';
  sink.add('0123456789\n');
  await sink.flush();
  assert.equal(sink.healthy, false);
  assert.equal(sink.failure?.message, 'no space');
  for (let index = 0; index < 20; index++) sink.add('0123456789\n');
  assert.equal(counts.dropped.get('failing'), 12);
  assert.equal(counts.failures, 1);
  state.mode = 'take';
  await sink.flush();
  assert.equal(sink.healthy, true);
  await sink.flush();
  assert.equal(text(), `${'0123456789\n'.repeat(9)}dropped 12 failing\n`);
  await sink.close(1000);
});

test('a slow output drops as queue-full, and close keeps its deadline', async () => {
  const { output, state } = fakeOutput();
  state.mode = 'hang';
  const { sink, counts } = sinkOver(output, { queueLimit: 30 });
  for (let index = 0; index < 5; index++) sink.add('0123456789\n');
  assert.equal(counts.dropped.get('queue-full'), 3);
  await sink.close(5);
  assert.equal(counts.dropped.get('closed'), 2);
  state.release();
  sink.add('late\n');
  assert.equal(counts.dropped.get('closed'), 3);
});

test('characters beyond ASCII do not wear the queue out', async () => {
  const { output } = fakeOutput();
  const { sink, counts } = sinkOver(output, { queueLimit: 100 });
  for (let index = 0; index < 200; index++) {
    sink.add('äöü€\n');
    await sink.flush();
  }
  assert.equal(counts.written, 200);
  assert.equal(counts.dropped.size, 0);
  await sink.close(1000);
});
