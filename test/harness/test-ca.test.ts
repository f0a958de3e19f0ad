import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { createTestCa } from './test-ca.ts';

test('a leaf is trusted through its CA for its names and addresses', async () => {
  const ca = createTestCa();
  const leaf = ca.issue(['example.test', '127.0.0.1', '::1']);
  const certificate = new X509Certificate(leaf.cert);
  assert.ok(certificate.verify(new X509Certificate(ca.caPem).publicKey));
  assert.equal(certificate.checkHost('example.test'), 'example.test');
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(certificate.checkIP('::1'), '::1');
  assert.equal(certificate.checkHost('other.test'), undefined);
  const server = createServer(leaf, (socket) => socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const client = connect({ port: address.port, host: '127.0.0.1', servername: 'example.test', ca: ca.caPem });
  await once(client, 'secureConnect');
  assert.ok(client.authorized);
  client.destroy();
  server.close();
});
