import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeniedPlaces } from './denied-places.ts';
import type { VerdictRecord } from './types.ts';

function denied(host: string | null, port = 443): VerdictRecord {
  return {
    protocol: 'https',
    method: 'GET',
    url: host === null ? null : `https://${host}/`,
    host,
    port,
    address: null,
    claimed: [],
    verdict: 'deny',
    rule: null,
    reason: '',
  };
}

describe('where most is denied', () => {
  it('a place is protocol, host and port; what was no target is none', () => {
    const places = new DeniedPlaces(8);
    places.add(denied('a.example'), 1, 0);
    places.add(denied('a.example', 8443), 2, 0);
    places.add(denied('a.example'), 3, 0);
    places.add({ ...denied('a.example'), protocol: 'tls' }, 4, 0);
    places.add(denied(null), 5, 0);
    assert.deepEqual(
      places.most(9).map(({ protocol, port, count, last }) => [protocol, port, count, last.seq]),
      [
        ['https', 443, 2, 3],
        ['tls', 443, 1, 4],
        ['https', 8443, 1, 2],
      ],
    );
    assert.equal(places.find(3)?.host, 'a.example');
    assert.equal(places.find(1), null);
  });

  it('ever new names neither grow it nor push out what is denied most', () => {
    const places = new DeniedPlaces(256);
    let seq = 0;
    for (let n = 0; n < 20_000; n++) {
      if (n % 20 === 0) places.add(denied('telemetry.example'), ++seq, 0);
      places.add(denied(`${n}.random.example`), ++seq, 0);
    }
    const most = places.most(1000);
    assert.equal(most.length, 256);
    assert.deepEqual([most[0]?.host, most[0]?.count], ['telemetry.example', 1000]);
    assert.ok(most.slice(1).every(({ count, atLeast }) => count <= 2 && atLeast));
  });

  it('never counts more than there was, and exactly where it says so', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { maxLength: 200 }), (hosts) => {
        const places = new DeniedPlaces(4);
        const truth = new Map<string, number>();
        hosts.forEach((number, index) => {
          const host = `${number}.example`;
          truth.set(host, (truth.get(host) ?? 0) + 1);
          places.add(denied(host), index + 1, 0);
        });
        for (const { host, count, atLeast } of places.most(4)) {
          const real = truth.get(host) ?? 0;
          assert.ok(count <= real);
          if (!atLeast) assert.equal(count, real);
        }
      }),
    );
  });
});
