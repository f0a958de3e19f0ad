import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createAuditLog } from '../../audit/create-audit-log.ts';
import { type RecentDecisions, watched } from '../../audit/recent-decisions.ts';
import type { AuditEntry, AuditLog } from '../../audit/types.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import { EventStreams } from './event-streams.ts';

let audit: AuditLog;
let recent: RecentDecisions;
let streams: EventStreams;
let state = '{"n":0}';
const server = createServer((request, response) => {
  responses.push(response);
  streams.open(response, request.headers['last-event-id']?.toString() ?? null);
});
let responses: ServerResponse[] = [];

before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => {
  ({ audit, recent } = watched(createAuditLog({ metrics: createMetrics().metrics })));
  responses = [];
  state = '{"n":0}';
  streams = new EventStreams(recent, () => state, 3);
});
after(() => {
  streams.close();
  server.close();
  server.closeAllConnections();
});

interface Event {
  readonly event: string;
  readonly id: string | null;
  readonly data: Record<string, unknown>;
}

/** A reader that speaks HTTP by hand, so that it can stop to read. */
async function reader(lastEventId?: string) {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const last = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
  socket.write(`GET / HTTP/1.0\r\n${last}\r\n`);
  let text = '';
  let told = Promise.withResolvers<void>();
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    told.resolve();
    told = Promise.withResolvers();
  });
  const events = (): Event[] =>
    text
      .slice(text.indexOf('\r\n\r\n') + 4)
      .split('\n\n')
      .slice(0, -1)
      .filter((block) => block.includes('data: '))
      .map((block) => ({
        event: /^event: (.*)$/m.exec(block)?.[1] ?? '',
        id: /^id: (.*)$/m.exec(block)?.[1] ?? null,
        data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? 'null'),
      }));
  return {
    socket,
    events,
    text: () => text,
    /** Resolves once what came satisfies. */
    async until(holds: (events: Event[]) => boolean): Promise<Event[]> {
      while (!holds(events())) await told.promise;
      return events();
    },
  };
}

function open(word: 'allow' | 'deny' = 'allow', url = 'https://a.example/'): AuditEntry {
  return audit.open({
    protocol: 'https',
    method: 'GET',
    url,
    host: 'a.example',
    port: 443,
    address: null,
    claimed: [],
    verdict: word,
    rule: null,
    reason: '',
  });
}

const ended = { status: 200, bytesIn: 0, bytesOut: 0, error: null };
const decisions = (events: readonly Event[]) => events.filter(({ event }) => event === 'decision');

describe('a stream of events', () => {
  it('begins with the state and what is remembered, then tells verdicts and ends', async () => {
    const entry = open();
    const one = await reader();
    await one.until((events) => decisions(events).length === 1);
    assert.deepEqual(one.events()[0], { event: 'state', id: null, data: { n: 0 } });
    assert.match(one.text(), /^Content-Type: text\/event-stream; charset=utf-8\r$/im);
    entry.end(ended);
    const events = await one.until((all) => decisions(all).length === 2);
    assert.deepEqual(
      decisions(events).map(({ id, data }) => [id, data.id, data.ended]),
      [
        [`${audit.run}.1`, entry.id, false],
        [`${audit.run}.2`, entry.id, true],
      ],
    );
    one.socket.destroy();
  });

  it('goes on after the last event that was read', async () => {
    for (let n = 0; n < 5; n++) open();
    const one = await reader(`${audit.run}.3`);
    const events = await one.until((all) => decisions(all).length === 2);
    assert.deepEqual(
      decisions(events).map(({ id }) => id),
      [`${audit.run}.4`, `${audit.run}.5`],
    );
    assert.ok(!events.some(({ event }) => event === 'reset'));
    one.socket.destroy();
  });

  for (const id of ['otherrun.3', 'nonsense', '.', '999999']) {
    it(`begins anew after "${id}"`, async () => {
      open();
      const one = await reader(id);
      const events = await one.until((all) => decisions(all).length === 1);
      assert.equal(events[0]?.event, 'reset');
      one.socket.destroy();
    });
  }

  it('an id of this run that is yet to come begins anew', async () => {
    open();
    const one = await reader(`${audit.run}.2`);
    const events = await one.until((all) => decisions(all).length === 1);
    assert.equal(events[0]?.event, 'reset');
    one.socket.destroy();
  });

  it('gathers what happens at once: a request that ended meanwhile is one event', async () => {
    const one = await reader();
    await one.until((all) => all.length === 1);
    for (let n = 0; n < 500; n++) open().end(ended);
    const last = open();
    const events = await one.until((all) => decisions(all).some(({ data }) => data.id === last.id));
    // No more than what is remembered of those that passed.
    assert.ok(decisions(events).length <= 200, `${decisions(events).length}`);
    one.socket.destroy();
  });

  it('tells the state that a decision made together with it', async () => {
    const one = await reader();
    await one.until((all) => all.length === 1);
    state = '{"n":5}';
    open();
    const events = await one.until((all) => all.length === 3);
    assert.deepEqual(
      events.map(({ event, data }) => [event, data.n]),
      [
        ['state', 0],
        ['decision', undefined],
        ['state', 5],
      ],
    );
    one.socket.destroy();
  });

  it('a name cannot end its event', async () => {
    open('deny', 'https://a.example/\n\nevent: state\ndata: {"n":666}\n\n');
    const one = await reader();
    const events = await one.until((all) => decisions(all).length === 1);
    assert.equal(events.length, 2);
    assert.match(String(events[1]?.data.url), /\\u\{a\}/);
    one.socket.destroy();
  });
});

describe('the streams together', () => {
  it('are limited in number, and free a place when a reader goes', async () => {
    const readers = [await reader(), await reader(), await reader()];
    await Promise.all(readers.map((one) => one.until((all) => all.length === 1)));
    assert.equal(streams.full, true);
    const gone = once(responses[0] as ServerResponse, 'close');
    readers[0]?.socket.destroy();
    await gone;
    assert.equal(streams.full, false);
    for (const { socket } of readers) socket.destroy();
  });

  it('cost nothing once nobody reads', async () => {
    let listening = 0;
    const subscribe = recent.subscribe.bind(recent);
    recent.subscribe = (listener) => {
      listening++;
      const leave = subscribe(listener);
      return () => {
        listening--;
        leave();
      };
    };
    const readers = [await reader(), await reader()];
    await Promise.all(readers.map((one) => one.until((all) => all.length === 1)));
    assert.equal(listening, 1);
    const gone = responses.map((response) => once(response, 'close'));
    for (const { socket } of readers) socket.destroy();
    await Promise.all(gone);
    assert.equal(listening, 0);
  });

  it('end when the view ends', async () => {
    const one = await reader();
    await one.until((all) => all.length === 1);
    const gone = once(one.socket, 'close');
    one.socket.on('error', () => {});
    streams.close();
    await gone;
    assert.equal(streams.full, false);
  });

  it('tell a new state within a second and a heartbeat every 15', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const one = await reader();
    await one.until((all) => all.length === 1);
    t.mock.timers.tick(1000);
    state = '{"n":1}';
    t.mock.timers.tick(1000);
    await one.until((all) => all.some(({ data }) => data.n === 1));
    assert.doesNotMatch(one.text(), /heartbeat/);
    for (let n = 2; n < 15; n++) t.mock.timers.tick(1000);
    const events = await one.until((all) => all.length === 3);
    assert.match(one.text(), /^: heartbeat$/m);
    assert.deepEqual(events.at(-1)?.data, { n: 1 });
    // The stream lets its timers go while they are still these.
    const gone = once(responses[0] as ServerResponse, 'close');
    one.socket.destroy();
    await gone;
  });

  it('cut a reader that takes nothing, and little waits for it until then', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const slow = await reader();
    await slow.until((all) => all.length === 1);
    const [response] = responses as [ServerResponse];
    slow.socket.pause();
    const long = `https://a.example/${'x'.repeat(2000)}`;
    let most = 0;
    // Until what the system takes for it is full: each change is told 200 ms later.
    while (!response.writableNeedDrain) {
      for (let n = 0; n < 200; n++) open('deny', long);
      t.mock.timers.tick(200);
      most = Math.max(most, response.writableLength);
      await new Promise(setImmediate);
    }
    for (let n = 0; n < 1000; n++) open('deny', long);
    t.mock.timers.tick(200);
    most = Math.max(most, response.writableLength);
    assert.ok(most < 1024 * 1024, `${most} bytes wait`);
    const gone = once(response, 'close');
    for (let n = 0; n < 60; n++) t.mock.timers.tick(1000);
    await gone;
    assert.equal(response.destroyed, true);
    slow.socket.destroy();
  });
});
