import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { authorityOf, controlAddress, listenAddress, portNumber } from './listen-address.ts';

test('reads what it writes', () => {
  for (const text of ['127.0.0.1:8080', '[::1]:0', 'localhost:65535', '0.0.0.0:80']) {
    assert.equal(authorityOf(listenAddress(text)), text);
  }
  assert.deepEqual(controlAddress('/run/boundary.sock'), { path: '/run/boundary.sock' });
  assert.deepEqual(controlAddress('[::1]:9090'), { host: '::1', port: 9090 });
});

test('refuses what is no address, and says what it expects', () => {
  for (const text of [
    '',
    '8080',
    ':8080',
    'host',
    'host:',
    '::1:80',
    '[::1]',
    '[1.2.3.4]:80',
    '[]:80',
    'a:b:80',
  ]) {
    assert.throws(() => listenAddress(text), InvalidArgumentError, text);
  }
  for (const text of ['65536', '-1', '', ' 80', '8e1', '0x50', '999999']) {
    assert.throws(() => portNumber(text), InvalidArgumentError, text);
  }
});

test('no text makes it throw anything else', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { port } = listenAddress(text);
        assert.ok(port >= 0 && port <= 65535);
      } catch (error) {
        assert.ok(error instanceof InvalidArgumentError);
      }
    }),
  );
});
