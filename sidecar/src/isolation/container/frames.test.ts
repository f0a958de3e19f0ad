import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameReader, frames } from './frames.ts';

function framed(stream: 1 | 2, bytes: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

test('frames come out whole, however the chunks are cut', () => {
  const frame = fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(20), { maxLength: 40 }), (sent, cuts) => {
      let rest: Uint8Array = Buffer.concat(sent.map(([stream, bytes]) => framed(stream, bytes)));
      const reader = new FrameReader();
      const got: Record<1 | 2, Uint8Array[]> = { 1: [], 2: [] };
      for (const cut of [...cuts, rest.length]) {
        for (const { stream, bytes } of reader.read(rest.subarray(0, cut))) got[stream].push(bytes);
        rest = rest.subarray(cut);
      }
      for (const stream of [1, 2] as const) {
        const wanted = sent.filter(([which]) => which === stream).map(([, bytes]) => bytes);
        assert.deepEqual(Buffer.concat(got[stream]), Buffer.concat(wanted));
      }
    }),
  );
});

test('frames of chunks that are all there', () => {
  const chunk = Buffer.concat([framed(1, Buffer.from('out')), framed(2, Buffer.from('err'))]);
  assert.deepEqual(
    [...frames([chunk])].map(({ stream, bytes }) => [stream, Buffer.from(bytes).toString()]),
    [
      [1, 'out'],
      [2, 'err'],
    ],
  );
});
