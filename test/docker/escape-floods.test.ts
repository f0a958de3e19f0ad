/** From inside a workspace: too much of everything. Gate and sidecar live, stay in their memory, and serve the next client. */
import assert from 'node:assert/strict';
import { ALLOWED, AS_ROOT, Battery, FORBIDDEN, isAllowed } from './battery.ts';

const MEMORY = 256 * 1024 * 1024;
const SERVED_MS = 12_000;
/** Connections to the boundary's page, and with questions, that are open at a time. */
const MOST_OWN = 512;

const battery = new Battery({
  title: 'floods',
  policy: 'allow:\n  - { domain: [allowed.test, "*.wild.test"] }\n',
  attacks: 'floods.py',
  workspaces: ['root'],
  names: { '*.wild.test': [[['A', ALLOWED]]], 'allowed.test': [[['A', ALLOWED]]] },
  sidecar: { Memory: MEMORY, MemorySwap: MEMORY },
});

let fresh = 0;

/** A flood, while it stands and after it. */
function flood(name: string, call: Record<string, unknown>, most = Number.POSITIVE_INFINITY): void {
  battery.declareTest(name, AS_ROOT.column, 'held', async () => {
    const { setting } = battery;
    const starts = () =>
      Promise.all(
        ['gate', 'sidecar'].map(async (part) => {
          const { State, RestartCount } = await setting.container(part).inspect();
          return [State.StartedAt, RestartCount];
        }),
      );
    const before = await starts();
    const { outcome, arrivals } = await battery.during('root', { call: () => call });
    assert.match(outcome.said, /^\d+$/);
    assert.deepEqual(
      arrivals.filter((one) => !setting.isOrdinary(one) && !isAllowed(one, setting)),
      [],
    );
    const served = await setting.attack('root', { attack: 'allowed', to: `fresh${++fresh}.wild.test` });
    const { said: stand } = await setting.attack('root', { attack: 'still_open' });
    await setting.attack('root', { attack: 'release' });
    assert.ok(Number(stand) <= most, `${stand} connections stand`);
    assert.equal(served.said, '200 reached', `after ${outcome.said}`);
    assert.ok(served.ms < SERVED_MS, `${served.ms} ms`);
    assert.deepEqual(await starts(), before);
  });
}

flood('connections to forbidden addresses that say nothing', {
  attack: 'hold',
  places: [
    [FORBIDDEN, 22],
    [FORBIDDEN, 443],
  ],
  count: 3_000,
});
flood('connections to forbidden addresses with half a request', {
  attack: 'hold',
  places: [[FORBIDDEN, 80]],
  count: 3_000,
  text: 'GET / HTTP/1.1\r\nHost: 45',
});
flood('connections to an allowed host with half a ClientHello', {
  attack: 'hold',
  places: [['allowed.test', 443]],
  count: 3_000,
  text: '\x16\x03\x01\x02\x00\x01',
});
flood(
  'connections to the boundary’s page',
  { attack: 'hold', places: [['boundary.internal', 80]], count: 12_000, text: 'GET / HTTP/1.1\r\nHost: b' },
  MOST_OWN,
);
flood(
  'event streams of the boundary’s page',
  {
    attack: 'hold',
    places: [['boundary.internal', 80]],
    count: 2_000,
    text: 'GET /api/events HTTP/1.1\r\nHost: boundary.internal\r\n\r\n',
  },
  MOST_OWN,
);
flood(
  'DNS over TCP with half a question',
  {
    attack: 'hold',
    places: [
      ['9.9.9.9', 53],
      ['8.8.8.8', 53],
    ],
    count: 12_000,
    text: '\x00\x40\x12\x34',
  },
  MOST_OWN,
);
flood('connections to the gate’s socket', { attack: 'hold', places: [['198.18.0.53', 80]], count: 10_000 });
flood('datagrams that are no questions', { attack: 'datagrams', count: 100_000 });
flood('as many forbidden names as there are addresses', {
  attack: 'ask_names',
  count: 150_000,
  suffix: 'forbidden.test',
});
flood('requests that are denied', { attack: 'requests_denied', count: 2_000 });
