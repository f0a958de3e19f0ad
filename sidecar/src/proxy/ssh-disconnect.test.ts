import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSsh, sshDisconnect } from './ssh-disconnect.ts';

test('a disconnect is one well-formed packet behind the version, whatever the length of its reason', () => {
  for (let length = 0; length < 20; length++) {
    const reason = 'x'.repeat(length);
    const octets = sshDisconnect(reason);
    const begin = octets.indexOf('\r\n') + 2;
    assert.equal(octets.toString('latin1', 0, begin), 'SSH-2.0-boundary\r\n');
    const packet = octets.subarray(begin);
    assert.equal(packet.readUInt32BE(0), packet.length - 4);
    assert.equal(packet.length % 8, 0);
    const padding = packet[4] ?? 0;
    assert.ok(padding >= 4 && padding < 12);
    assert.deepEqual([packet[5], packet.readUInt32BE(6)], [1, 1]);
    const described = packet.readUInt32BE(10);
    assert.equal(packet.toString('latin1', 14, 14 + described), `boundary denied this connection. ${reason}`);
    assert.equal(14 + described + 4 + padding, packet.length);
  }
});

test('an ssh client is known by its first four octets', () => {
  assert.ok(isSsh(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')));
  assert.ok(!isSsh(Buffer.from('GET / HTTP/1.1\r\n')));
  assert.ok(!isSsh(Buffer.from('SS')));
});
