import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { urlOf } from './target-text.ts';
import type { TunnelTarget } from './types.ts';
import { writtenTarget } from './written-target.ts';

const place = fc.oneof(
  fc.record({ host: fc.domain(), hostKind: fc.constant('name' as const) }),
  fc.record({ host: fc.ipV4(), hostKind: fc.constant('ipv4' as const) }),
  fc.record({ host: fc.constant('2001:db8::1'), hostKind: fc.constant('ipv6' as const) }),
);

test('the URL that the audit log has of a tunnel is its target again', () => {
  fc.assert(
    fc.property(
      place,
      fc.integer({ min: 1, max: 65_535 }),
      fc.constantFrom('tls', 'tcp'),
      (at, port, protocol) => {
        const host = at.host.toLowerCase();
        const target: TunnelTarget = { kind: 'tunnel', protocol, ...at, host, port };
        const read = writtenTarget('CONNECT', urlOf(target));
        // A name that ends in a number is refused wherever it is written.
        if (read.ok) assert.deepEqual({ ...read.value }, target);
        else assert.match(read.refusal.reason, /odd form/);
      },
    ),
  );
});

for (const [url, reason] of [
  ['tcp://a.example:22/path', /takes HOST:PORT and no path/],
  ['tcp://a.example', /names no port/],
  ['ftp://a.example/', /Expected a URL with http/],
] as const) {
  test(`${url} is refused`, () => {
    const read = writtenTarget('GET', url);
    assert.ok(!read.ok);
    assert.match(read.refusal.reason, reason);
  });
}

test('tls:// without a port is 443', () => {
  const read = writtenTarget('CONNECT', 'tls://a.example');
  assert.ok(read.ok);
  assert.equal(read.value.port, 443);
});
