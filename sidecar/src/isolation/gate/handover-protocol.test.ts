import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { gateFiles, lineReader } from './handover-protocol.ts';

function read(pieces: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const take = lineReader((line) => lines.push(line));
  for (const piece of pieces) take(piece);
  return lines;
}

describe('lines of the hand-over', () => {
  it('come whole, however the stream is cut', () => {
    const word = fc.stringMatching(/^[ -~]{0,40}$/);
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
          const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
            (a, b) => a - b,
          );
          const pieces = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
          assert.deepEqual(read(pieces), lines);
        },
      ),
    );
  });

  it('an end without a line feed is no line', () => {
    assert.deepEqual(read([Buffer.from('WATCH 1\nTAKE')]), ['WATCH 1']);
  });

  it('what is no line of ours is not kept without end', () => {
    const flood = Array.from({ length: 2_000 }, () => Buffer.alloc(1_024, 0x61));
    assert.deepEqual(read([...flood, Buffer.from('\nTAKE 1\n')]), []);
  });
});

it('the files of a gate lie in its directory', () => {
  assert.deepEqual(gateFiles('/run/boundary/gate'), {
    socket: '/run/boundary/gate/gate.sock',
    status: '/run/boundary/gate/status.json',
  });
});
