import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { startUpstream } from '../harness/upstream.ts';
import { exchangeRaw, LOOPBACK, policyOf, readUntil, startProxy } from './proxy-under-test.ts';

const DENIED = 'GET http://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n';

test('a connection beyond the most is closed and on record, and room is made by those that end', async () => {
  const boundary = await startProxy({ policy: policyOf([]), proxy: { maxConnections: 1 } });
  const first = connect(boundary.port, '127.0.0.1');
  first.write(DENIED);
  await readUntil(first, 'Request id');
  assert.equal(await exchangeRaw(boundary.port, DENIED), '');
  const record = await boundary.lastEnded();
  assert.match(record.reason, /No more than 1 client connections/);
  assert.equal(record.verdict, 'deny');
  assert.equal(record.outcome?.error, 'too-many-connections');
  await new Promise((resolve) => first.once('close', resolve).destroy());
  let answer = '';
  while (answer === '')
    answer = await exchangeRaw(boundary.port, DENIED.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  assert.match(answer, /^HTTP\/1\.1 403/);
  await boundary.close();
});

test('requests that wait on one connection are bounded', async () => {
  const upstream = await startUpstream({ handler: () => {} });
  const authority = `slow.test:${upstream.port}`;
  const boundary = await startProxy({
    policy: policyOf([{ domains: ['slow.test'], ports: 'any', cidrs: LOOPBACK }]),
  });
  const request = `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
  assert.equal(await exchangeRaw(boundary.port, request.repeat(5_000)), '');
  const errors = boundary.records.map(({ outcome }) => outcome?.error);
  assert.equal(errors.filter((error) => error === 'too-many-waiting').length, 1);
  assert.equal(errors.filter((error) => error === 'client-abort').length, 100);
  assert.equal(errors.length, 101);
  await boundary.close();
  await upstream.close();
});

test('the kernel looks after clients that vanish without a word', async () => {
  const boundary = await startProxy({ policy: policyOf([]) });
  const client = connect(boundary.port, '127.0.0.1');
  await once(client, 'connect');
  client.write(DENIED);
  await readUntil(client, 'Request id');
  const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
  const { port } = client.address() as AddressInfo;
  const ends = `:${hex(boundary.port)} 0100007F:${hex(port)} `;
  const row = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .find((line) => line.includes(ends));
  // The field behind the two queues is the timer; 02 is the one of SO_KEEPALIVE (proc_net_tcp in the kernel's docs).
  assert.match(row ?? '', / 01 [0-9A-F]{8}:[0-9A-F]{8} 02:/);
  client.destroy();
  await boundary.close();
});
