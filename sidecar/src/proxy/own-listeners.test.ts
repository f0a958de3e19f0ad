import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { reachesOwn } from './own-listeners.ts';

const interfaceAddress = Object.values(networkInterfaces())
  .flat()
  .find((each) => each?.family === 'IPv4' && !each.internal)?.address;

const CASES: readonly [string, string, number, boolean][] = [
  ['127.0.0.1', '127.0.0.1', 3128, true],
  ['127.0.0.1', '127.0.0.1', 3129, false],
  ['127.0.0.1', '0.0.0.0', 3128, true],
  ['127.0.0.1', '::', 3128, true],
  ['127.0.0.1', '::ffff:127.0.0.1', 3128, true],
  ['127.0.0.1', '::ffff:7f00:1', 3128, true],
  ['127.0.0.1', '127.0.0.2', 3128, false],
  ['localhost', '::1', 3128, true],
  ['localhost', '127.0.0.1', 3128, true],
  ['0.0.0.0', '127.9.9.9', 3128, true],
  ['::', '127.0.0.1', 3128, true],
  ['::', '::1', 3128, true],
  ['0.0.0.0', '192.0.2.1', 3128, false],
];

for (const [host, address, port, wanted] of CASES) {
  test(`a listener on ${host} is ${wanted ? '' : 'not '}what ${address}:${port} reaches`, () => {
    assert.equal(reachesOwn([{ host, port: 3128 }], address, port), wanted);
  });
}

test('a wildcard listener answers on the addresses of every interface', (t) => {
  if (interfaceAddress === undefined) return t.diagnostic('this machine has loopback alone');
  assert.equal(reachesOwn([{ host: '0.0.0.0', port: 1 }], interfaceAddress, 1), true);
});
