import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { dnsQuery, numbers, readAnswer } from '../../../test/harness/dns-message.ts';
import { serveDnsOverTcp } from './dns-over-tcp.ts';
import { createDnsService, type DnsService } from './dns-service.ts';

/** Gives every name one and the same address. */
const service = createDnsService({
  names: { addressOf: () => '198.18.1.1', nameOf: () => undefined },
  mayReach: () => true,
  onQuestion: () => {},
});

const framed = (message: Uint8Array) => Buffer.concat([numbers(message.length), message]);
const query = (id: number) => framed(dnsQuery({ id, name: `n${id}.example` }));

interface Running {
  readonly server: Server;
  readonly accepted: Socket[];
  open(): Promise<Socket>;
}

const running: Running[] = [];
after(() => {
  for (const { server, accepted } of running) {
    for (const socket of accepted) socket.destroy();
    server.close();
  }
});

async function listening(answers: DnsService = service, idleMs?: number, halfOpen = true): Promise<Running> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: halfOpen }, (socket) => {
    accepted.push(socket);
    serveDnsOverTcp(socket, answers, idleMs === undefined ? {} : { idleMs });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  async function open(): Promise<Socket> {
    const socket = connect({ port: (address as { port: number }).port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }
  const one = { server, accepted, open };
  running.push(one);
  return one;
}

/** Fulfilled when it is closed, in whatever way. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on('close', () => resolve());
  });
}

/** Ids of all answers until the other side ends the connection. */
async function idsUntilEnd(socket: Socket): Promise<number[]> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return idsOf(Buffer.concat(chunks));
}

function idsOf(octets: Buffer): number[] {
  const ids: number[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt16BE(at);
    ids.push(readAnswer(octets.subarray(at + 2, at + 2 + length)).id);
    at += 2 + length;
  }
  return ids;
}

describe('a connection', () => {
  test('has an answer per question, in their order, and ends when the client ends it', async () => {
    for (const halfOpen of [true, false]) {
      const { open } = await listening(service, undefined, halfOpen);
      const socket = await open();
      socket.write(query(1));
      socket.write(Buffer.concat([query(2), query(3), query(4)]));
      socket.end(query(5));
      assert.deepEqual(await idsUntilEnd(socket), [1, 2, 3, 4, 5]);
    }
  });

  test('stays open between questions', async () => {
    const { open } = await listening();
    const socket = await open();
    for (const id of [1, 2, 3]) {
      socket.write(query(id));
      const [chunk] = await once(socket, 'data');
      assert.deepEqual(idsOf(chunk), [id]);
    }
    socket.destroy();
  });

  test('may come in pieces of one octet', async () => {
    const { open } = await listening();
    const socket = await open();
    const octets = Buffer.concat([query(1), query(2)]);
    for (const octet of octets) {
      socket.write(Buffer.of(octet));
      // Each octet goes out by itself.
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    assert.deepEqual(await idsUntilEnd(socket), [1, 2]);
  });

  const refused: readonly (readonly [string, Buffer])[] = [
    ['a length of nothing', numbers(0)],
    ['a length that no message has', numbers(11)],
    ['a length that no question has', numbers(4097)],
    ['something else, such as TLS', Buffer.from('16030100c8010000c40303', 'hex')],
    ['something else, such as HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an answer', framed(dnsQuery({ flags: 0x8180 }))],
  ];
  for (const [name, octets] of refused) {
    test(`ends at ${name}, after what came before was answered`, async () => {
      // It is not the time that ends it.
      const { open } = await listening(service, 3_600_000);
      const socket = await open();
      socket.write(Buffer.concat([query(1), octets, query(2)]));
      assert.deepEqual(await idsUntilEnd(socket), [1]);
    });
  }

  test('goes on after what is malformed but has its length', async () => {
    const { open } = await listening();
    const socket = await open();
    socket.end(
      Buffer.concat([framed(Buffer.alloc(12)), framed(dnsQuery({ id: 6, flags: 0x2800 })), query(7)]),
    );
    assert.deepEqual(await idsUntilEnd(socket), [0, 6, 7]);
  });

  test('leaves half a question unanswered', async () => {
    const { open } = await listening();
    const socket = await open();
    socket.end(Buffer.concat([query(1), query(2).subarray(0, -1)]));
    assert.deepEqual(await idsUntilEnd(socket), [1]);
  });

  test('that is silent, or drips, is closed', async () => {
    const { open } = await listening(service, 300);
    const silent = await open();
    await closing(silent);
    const dripping = await open();
    const started = performance.now();
    const drip = setInterval(() => dripping.write(Buffer.of(0)), 5);
    // It would take twenty seconds to be whole.
    dripping.write(numbers(4096));
    await closing(dripping);
    clearInterval(drip);
    assert.ok(performance.now() - started < 5000);
  });

  test('that is reset is forgotten', async () => {
    const { open, accepted } = await listening();
    const socket = await open();
    socket.write(query(1));
    await once(socket, 'data');
    socket.resetAndDestroy();
    const [server] = accepted;
    assert.ok(server);
    await closing(server);
  });

  /** Two ends that hold little, where a socket's kernel would take megabytes. */
  const narrow = () => duplexPair({ highWaterMark: 1024 });

  test('whose client takes no answers is not read on, and closed after its time', async () => {
    let answered = 0;
    const counting: DnsService = {
      answer(message, transport) {
        answered++;
        return service.answer(message, transport);
      },
    };
    const [client, server] = narrow();
    client.on('error', () => {});
    serveDnsOverTcp(server, counting, { idleMs: 60 });
    const closed = once(server, 'close');
    for (let id = 0; id < 2000; id++) client.write(query(id));
    await closed;
    assert.ok(answered < 500, `${answered} questions were read`);
    assert.ok(server.writableLength < 64 * 1024, `${server.writableLength} octets wait`);
  });

  test('whose client takes its time has every answer in the end', async () => {
    const [client, server] = narrow();
    serveDnsOverTcp(server, service);
    const all = Array.from({ length: 5000 }, (_, id) => id);
    for (const id of all) client.write(query(id));
    client.end();
    while (!server.isPaused()) await new Promise((resolve) => setImmediate(resolve));
    const chunks: Buffer[] = [];
    for await (const chunk of client) {
      chunks.push(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(idsOf(Buffer.concat(chunks)), all);
  });

  test('that has ended is read on, and nothing of it is kept or answered', async () => {
    const [client, server] = duplexPair();
    const faults: Error[] = [];
    server.on('error', (fault) => faults.push(fault));
    let answered = 0;
    const counting: DnsService = {
      answer(message, transport) {
        answered++;
        return service.answer(message, transport);
      },
    };
    serveDnsOverTcp(server, counting);
    client.write(Buffer.concat([query(1), numbers(5000)]));
    client.resume();
    await once(client, 'end');
    for (let id = 0; id < 1000; id++) client.write(query(id));
    client.end();
    await once(server, 'close');
    assert.deepEqual([answered, faults], [1, []]);
  });
});

test('it does not matter where a stream of questions is cut', async () => {
  const { open } = await listening();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(65535), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 }),
      async (ids, sizes) => {
        const socket = await open();
        let octets = Buffer.concat(ids.map(query));
        for (const size of sizes) {
          socket.write(octets.subarray(0, size));
          octets = octets.subarray(size);
          await new Promise((resolve) => setImmediate(resolve));
        }
        socket.end(octets);
        assert.deepEqual(await idsUntilEnd(socket), ids);
      },
    ),
    { numRuns: 60 },
  );
});

test('any octets end in answers or the end of the connection', async () => {
  const { open } = await listening(service, 100);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (octets) => {
      const socket = await open();
      socket.end(octets);
      for await (const chunk of socket) assert.ok(chunk.length > 0);
    }),
    { numRuns: 60 },
  );
});
