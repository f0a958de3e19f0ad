import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { dnsQuery, readAnswer } from '../../../test/harness/dns-message.ts';
import { serveDnsOverUdp } from './dns-over-udp.ts';
import { createDnsService, type DnsEvent } from './dns-service.ts';
import { openNameAddresses } from './name-addresses.ts';

const names = openNameAddresses({ path: join(mkdtempSync(join(tmpdir(), 'boundary-dns-')), 'names') });
const events: DnsEvent[] = [];
const service = createDnsService({ names, mayReach: () => true, onQuestion: (event) => events.push(event) });

let server: Socket;
let stop: () => void;
before(async () => {
  server = createSocket('udp4').bind(0, '127.0.0.1');
  await once(server, 'listening');
  stop = serveDnsOverUdp(server, service);
});
after(() => server.close());

function resolver(): Resolver {
  const one = new Resolver({ timeout: 5000, tries: 1 });
  one.setServers([`127.0.0.1:${server.address().port}`]);
  return one;
}

async function exchange(message: Buffer): Promise<Buffer> {
  const client = createSocket('udp4');
  client.send(message, server.address().port, '127.0.0.1');
  const [answer] = await once(client, 'message');
  client.close();
  return answer;
}

describe("c-ares, Node's own resolver,", () => {
  test('has an address per name', async () => {
    const found = await resolver().resolve4('www.example.com', { ttl: true });
    assert.deepEqual(found, [{ address: names.addressOf('www.example.com'), ttl: 60 }]);
  });

  test('has a name per address', async () => {
    const address = names.addressOf('www.example.com') ?? '';
    assert.deepEqual(await resolver().reverse(address), ['www.example.com']);
  });

  test('is told at once where there is no data, no such name, or nothing to be had', async () => {
    const one = resolver();
    await assert.rejects(one.resolve6('www.example.com'), { code: 'ENODATA' });
    await assert.rejects(one.resolveTxt('www.example.com'), { code: 'ENODATA' });
    await assert.rejects(one.resolveSrv('_a._tcp.example.com'), { code: 'ENODATA' });
    await assert.rejects(one.resolve4('a.invalid'), { code: 'ENOTFOUND' });
    await assert.rejects(one.reverse('192.0.2.1'), { code: 'ENOTFOUND' });
    await assert.rejects(one.resolveAny('www.example.com'), { code: 'EREFUSED' });
  });

  test('has many answers at once', async () => {
    const one = resolver();
    const many = Array.from({ length: 100 }, (_, index) => `host${index}.example`);
    const found = await Promise.all(many.map((name) => one.resolve4(name)));
    assert.deepEqual(
      found,
      many.map((name) => [names.addressOf(name)]),
    );
  });
});

test('what is no question is not answered, and what follows it is', async () => {
  const client = createSocket('udp4');
  const { port } = server.address();
  events.length = 0;
  for (const octets of [
    Buffer.alloc(0),
    Buffer.alloc(11),
    dnsQuery({ flags: 0x8180 }),
    Buffer.alloc(9000, 0xff),
  ])
    client.send(octets, port, '127.0.0.1');
  client.send(dnsQuery({ id: 77 }), port, '127.0.0.1');
  const [answer] = await once(client, 'message');
  assert.equal(readAnswer(answer).id, 77);
  assert.deepEqual(
    events.map(({ result }) => result),
    [...Array(4).fill('malformed'), 'answered'],
  );
  client.close();
});

test('a client that is gone is no fault', async () => {
  const client = createSocket('udp4').bind(0, '127.0.0.1');
  await once(client, 'listening');
  const { port } = server.address();
  await new Promise<void>((resolve) =>
    client.send(dnsQuery({}), port, '127.0.0.1', () => client.close(resolve)),
  );
  assert.equal(readAnswer(await exchange(dnsQuery({ id: 78 }))).id, 78);
});

test('a sender that gives no port to answer to has no answer', async () => {
  // Only a raw socket sends such a thing, so the event is made by hand.
  server.emit('message', dnsQuery({}), { address: '127.0.0.1', port: 0, family: 'IPv4', size: 27 });
  assert.equal(readAnswer(await exchange(dnsQuery({ id: 79 }))).id, 79);
});

test('once stopped, the socket is left alone', async () => {
  stop();
  events.length = 0;
  const client = createSocket('udp4');
  const arrived = once(server, 'message');
  client.send(dnsQuery({}), server.address().port, '127.0.0.1');
  await arrived;
  client.close();
  assert.deepEqual(events, []);
});
