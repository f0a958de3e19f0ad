import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createResolver } from './create-resolver.ts';
import { ResolveError } from './resolve-error.ts';

/** A system whose answers a test gives by hand. */
function manualSystem() {
  const asked: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<readonly string[]>>();
  return {
    asked,
    lookup(name: string): Promise<readonly string[]> {
      asked.push(name);
      const answer = Promise.withResolvers<readonly string[]>();
      waiting.set(name, answer);
      return answer.promise;
    },
    answer: (name: string, addresses: readonly string[]) => waiting.get(name)?.resolve(addresses),
    fail: (name: string, code: string) => waiting.get(name)?.reject(Object.assign(new Error(code), { code })),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a lookup', () => {
  test('through the real system knows the hosts file', async () => {
    const resolver = createResolver();
    const addresses = await resolver.lookup('localhost');
    assert.ok(addresses.some((address) => address === '127.0.0.1' || address === '::1'));
    assert.deepEqual(resolver.cached('localhost'), addresses);
    await assert.rejects(resolver.lookup('nothing.invalid'), ResolveError);
  });

  test('is shared by all who ask meanwhile, and kept for its time', async () => {
    const system = manualSystem();
    let now = 0;
    const told: string[] = [];
    const resolver = createResolver({
      lookup: system.lookup,
      now: () => now,
      onLookup: (result, seconds) => told.push(`${result} ${seconds}`),
    });
    const both = [resolver.lookup('a.test'), resolver.lookup('a.test')];
    now = 500;
    system.answer('a.test', ['203.0.113.2', '203.0.113.1', '203.0.113.2']);
    assert.deepEqual(await Promise.all(both), Array(2).fill(['203.0.113.2', '203.0.113.1']));
    now = 30_499;
    assert.deepEqual(resolver.cached('a.test'), ['203.0.113.2', '203.0.113.1']);
    await resolver.lookup('a.test');
    assert.deepEqual(system.asked, ['a.test']);
    now = 30_500;
    assert.equal(resolver.cached('a.test'), undefined);
    const again = resolver.lookup('a.test');
    system.answer('a.test', ['203.0.113.9']);
    assert.deepEqual(await again, ['203.0.113.9']);
    assert.deepEqual(told, ['ok 0.5', 'hit 0', 'hit 0', 'ok 0']);
  });

  for (const [code, kind] of [
    ['ENOTFOUND', 'not-found'],
    ['ENODATA', 'no-address'],
    ['EAI_AGAIN', 'failure'],
    ['ESERVFAIL', 'failure'],
  ] as const) {
    test(`that fails with ${code} is ${kind}, and is asked again after five seconds`, async () => {
      const system = manualSystem();
      let now = 0;
      const resolver = createResolver({ lookup: system.lookup, now: () => now });
      const first = resolver.lookup('a.test');
      system.fail('a.test', code);
      await assert.rejects(
        first,
        (error: ResolveError) => error.kind === kind && /a\.test/.test(error.message),
      );
      now = 4_999;
      await assert.rejects(resolver.lookup('a.test'), { kind });
      assert.equal(resolver.cached('a.test'), undefined);
      assert.equal(system.asked.length, 1);
      now = 5_000;
      const second = resolver.lookup('a.test');
      system.answer('a.test', ['203.0.113.1']);
      assert.deepEqual(await second, ['203.0.113.1']);
    });
  }

  test('without an address is no-address', async () => {
    const resolver = createResolver({ lookup: async () => [] });
    await assert.rejects(resolver.lookup('a.test'), { kind: 'no-address' });
  });

  test('that takes too long is given up', async () => {
    const resolver = createResolver({ lookup: () => new Promise(() => {}), timeoutMs: 20 });
    await assert.rejects(resolver.lookup('a.test'), { kind: 'timeout' });
  });

  test('waits for its turn, three at a time, and more than the queue holds are refused', async () => {
    const system = manualSystem();
    const resolver = createResolver({ lookup: system.lookup });
    const lookups = Array.from({ length: 3 + 1024 }, (_, i) => resolver.lookup(`n${i}.test`));
    for (const lookup of lookups) lookup.catch(() => {});
    await assert.rejects(resolver.lookup('late.test'), { kind: 'failure' });
    assert.deepEqual(system.asked, ['n0.test', 'n1.test', 'n2.test']);
    system.fail('n1.test', 'ENOTFOUND');
    await settled();
    assert.deepEqual(system.asked.slice(3), ['n3.test']);
    for (let i = 0; i < lookups.length; i++) {
      system.answer(`n${i}.test`, [`203.0.113.${i % 250}`]);
      await settled();
    }
    assert.equal(
      (await Promise.allSettled(lookups)).filter((one) => one.status === 'fulfilled').length,
      1026,
    );
  });

  test('is forgotten where the cache is full, the longest unused first', async () => {
    const resolver = createResolver({ cacheSize: 2, lookup: async (name) => [name] });
    await resolver.lookup('a');
    await resolver.lookup('b');
    resolver.cached('a');
    await resolver.lookup('c');
    assert.deepEqual(
      [resolver.cached('a'), resolver.cached('b'), resolver.cached('c')],
      [['a'], undefined, ['c']],
    );
  });

  test('is refused after close', async () => {
    const resolver = createResolver({ lookup: async () => ['203.0.113.1'] });
    await resolver.lookup('a.test');
    resolver.close();
    assert.equal(resolver.cached('a.test'), undefined);
    await assert.rejects(resolver.lookup('a.test'), { kind: 'failure' });
  });
});
