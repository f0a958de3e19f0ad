/** From inside a workspace, while parts of the boundary are not there yet, or not any more, or stand still. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logTail } from '../../sidecar/src/isolation/container/log-tail.ts';
import { ALLOWED, AS_ROOT, Battery, FORBIDDEN, isAllowed } from './battery.ts';
import type { Outcome } from './confined-workspace.ts';

/** What waits for a part that is not there is told after ten seconds. */
const PATIENCE_MS = 13_000;
/** A name server that does not answer costs the C library two times five seconds. */
const RESOLVER_MS = 16_000;

const to = FORBIDDEN;
let racing: Promise<Outcome>;
let early: Outcome;
/** The gate's, TCP and UDP, before it was stopped. */
let ports: readonly number[] = [];

const battery = new Battery({
  title: 'outages',
  policy: 'allow:\n  - { domain: allowed.test }\n',
  attacks: 'outage.py',
  names: {
    'allowed.test': [[['A', ALLOWED]]],
    '*.forbidden.test': [[['A', FORBIDDEN]]],
    'forbidden.test': [[['A', FORBIDDEN]]],
  },
  async beforeStart(setting) {
    early = await setting.attack('root', { attack: 'all_ways', to, mark: 'mark-early' });
    racing = setting.attack('root', {
      attack: 'keep_trying',
      to,
      mark: 'mark-racing',
      until: 'allowed.test',
    });
  },
});

interface AllWays {
  readonly slowest: number;
  readonly said: Readonly<Record<string, string>>;
}

function phase(name: string, run: () => Promise<void>): void {
  battery.declareTest(name, AS_ROOT.column, '0 bytes', run);
}

/** Everything is tried once; nothing may arrive, and everybody is told in time. */
async function tried(within = RESOLVER_MS): Promise<AllWays> {
  const { outcome, arrivals } = await battery.during('root', {
    call: (mark) => ({ attack: 'all_ways', to, mark }),
  });
  assert.deepEqual(
    arrivals.filter((one) => !battery.setting.isOrdinary(one)),
    [],
    outcome.said,
  );
  const all = JSON.parse(outcome.said) as AllWays;
  for (const [way, said] of Object.entries(all.said)) assert.doesNotMatch(said, /hung|reached/, way);
  assert.ok(all.slowest < within, `${all.slowest} ms: ${outcome.said}`);
  return all;
}

/** Waits until what is allowed passes again; meanwhile everything forbidden is tried again and again. */
async function returns(): Promise<number> {
  const began = performance.now();
  const { outcome, arrivals } = await battery.during('root', {
    call: (mark) => ({ attack: 'keep_trying', to, mark, until: 'allowed.test' }),
  });
  assert.match(outcome.said, /rounds/);
  assert.deepEqual(
    arrivals.filter((one) => !battery.setting.isOrdinary(one) && !isAllowed(one, battery.setting)),
    [],
  );
  return performance.now() - began;
}

/** Once patience has ended nobody waits any more, neither for a connection nor for a name. */
async function resetAtOnce(): Promise<void> {
  const { slowest } = await tried();
  assert.ok(slowest < 3_000, `${slowest} ms`);
}

phase('before there is a gate', async () => {
  const { said, slowest } = JSON.parse(early.said) as AllWays;
  for (const [way, word] of Object.entries(said)) assert.doesNotMatch(word, /hung|reached|sent/, way);
  assert.ok(slowest < PATIENCE_MS, early.said);
  const { arrivals } = await battery.setting.internet.arrivals();
  assert.deepEqual(
    arrivals.filter(({ marks }) => marks.includes('mark-early')),
    [],
  );
});

phase('while gate and sidecar start', async () => {
  assert.match((await racing).said, /rounds/);
  const { arrivals } = await battery.setting.internet.arrivals();
  const others = arrivals.filter(
    (one) => !battery.setting.isOrdinary(one) && !isAllowed(one, battery.setting),
  );
  assert.deepEqual(others, []);
});

phase('the gate is stopped: the sidecar serves on', async () => {
  const { said } = await battery.setting.attack('root', { attack: 'ports' });
  ports = (JSON.parse(said) as number[][]).flat();
  assert.equal(ports.length, 2);
  await battery.setting.container('gate').stop({ t: 0 });
  await tried(5_000);
  assert.equal(
    (await battery.setting.attack('root', { attack: 'allowed', to: 'allowed.test' })).said,
    '200 reached',
  );
});

phase('gate and sidecar are stopped', async () => {
  await battery.setting.container('sidecar').stop({ t: 0 });
  await tried(5_000);
});

phase('a gate that starts again finds its ports taken', async () => {
  const { setting } = battery;
  assert.equal((await setting.attack('root', { attack: 'ports' })).said, '[[], []]');
  const [tcp, udp] = ports;
  assert.equal(
    (await setting.attack('root', { attack: 'take_ports', tcp_port: tcp, udp_port: udp })).said,
    'taken',
  );
  const closed = async () =>
    (await logTail(setting.container('gate'))).split('the namespace is closed').length;
  const before = await closed();
  await setting.container('gate').start();
  while ((await closed()) === before);
});

phase('the gate is back, without a sidecar', async () => {
  const { slowest } = await tried();
  assert.ok(slowest > 5_000, 'nobody waited');
  await resetAtOnce();
  assert.equal((await battery.setting.attack('root', { attack: 'taken_hears' })).said, 'nothing');
});

phase('gate and sidecar are back', async () => {
  await battery.setting.container('sidecar').start();
  await returns();
  await tried(5_000);
});

phase('the sidecar stands still (SIGSTOP)', async () => {
  const sidecar = battery.setting.container('sidecar');
  await sidecar.kill({ signal: 'SIGSTOP' });
  try {
    await tried();
    await resetAtOnce();
  } finally {
    await sidecar.kill({ signal: 'SIGCONT' });
  }
});

phase('the sidecar goes on', async () => {
  await returns();
  await tried(5_000);
});

phase('the gate stands still (SIGSTOP)', async () => {
  const gate = battery.setting.container('gate');
  await gate.kill({ signal: 'SIGSTOP' });
  try {
    await tried(5_000);
    assert.equal(
      (await battery.setting.attack('root', { attack: 'allowed', to: 'allowed.test' })).said,
      '200 reached',
    );
  } finally {
    await gate.kill({ signal: 'SIGCONT' });
  }
});

phase('the sidecar is killed and started by the engine', async () => {
  const restarted = battery.setting.container('sidecar').restart({ t: 0 });
  await returns();
  await restarted;
});

phase('the gate is killed and started by the engine', async () => {
  const restarted = battery.setting.container('gate').restart({ t: 0 });
  await returns();
  await restarted;
  await tried(5_000);
});

phase('the namespace is a new one, and the workspace in it before the gate', async () => {
  const { setting } = battery;
  await setting.container('netns').restart({ t: 0 });
  await setting.restartWorkspace('root');
  const { said } = await tried();
  for (const [way, word] of Object.entries(said)) assert.match(word, /^(ENETUNREACH|no such name)$/, way);
  await setting.container('gate').restart({ t: 0 });
  await returns();
  await tried(5_000);
});

test('nothing forbidden arrived in all that time', async () => {
  const { arrivals } = await battery.setting.internet.arrivals();
  assert.deepEqual(
    arrivals.filter((one) => !battery.setting.isOrdinary(one) && !isAllowed(one, battery.setting)),
    [],
  );
});
