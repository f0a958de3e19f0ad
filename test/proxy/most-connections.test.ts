import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { exchangeRaw, policyOf, readUntil, startProxy } from './proxy-under-test.ts';

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
