import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress, parseAuthority, parseHost, parseWireAuthority } from './host.ts';

const HOSTS: readonly [text: string, host: string | null][] = [
  ['github.com', 'github.com'],
  ['GitHub.COM', 'github.com'],
  ['github.com.', 'github.com'],
  ['github.com..', null],
  ['.github.com', null],
  ['a..b', null],
  ['', null],
  ['.', null],
  ['localhost', 'localhost'],
  ['a_b.example', 'a_b.example'],
  ['1.example', '1.example'],
  ['example.1a', 'example.1a'],
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1.', '192.0.2.1'],
  // Forms that inet_aton and URL parsers read as addresses.
  ['127.1', null],
  ['0', null],
  ['2852039166', null],
  ['0xA9FEA9FE', null],
  ['0x7f.1', null],
  ['0x', null],
  ['0251.0376.0251.0376', null],
  ['192.0.2.01', null],
  ['192.0.2.256', null],
  ['1.2.3.4.5', null],
  ['example.12', null],
  ['１２７.0.0.1', null],
  ['127。0。0。1', null],
  ['[::1]', '::1'],
  ['[2001:DB8:0:0:0:0:0:1]', '2001:db8::1'],
  ['[::ffff:169.254.169.254]', '::ffff:a9fe:a9fe'],
  ['[::192.0.2.1]', '::c000:201'],
  ['[2001:db8:0:1:1:1:1:1]', '2001:db8:0:1:1:1:1:1'],
  ['[2001:0:0:1:0:0:0:1]', '2001:0:0:1::1'],
  ['::1', null],
  ['[::1', null],
  ['[::1]x', null],
  ['[127.0.0.1]', null],
  ['[fe80::1%eth0]', null],
  ['[fe80::1%25eth0]', null],
  ['[v1.x]', null],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['example。org。', 'example.org'],
  ['gіthub.com', 'xn--gthub-n2e.com'],
  ['a b', null],
  ['a/b', null],
  ['a\\b', null],
  ['a@b', null],
  ['a#b', null],
  ['a%2eb', null],
  ['a\0b', null],
  ['a\nb', null],
  ['*.example', null],
  [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  [`${'a'.repeat(64)}.example`, null],
  [`${'abcdefg.'.repeat(31)}abcde`, `${'abcdefg.'.repeat(31)}abcde`],
  [`${'abcdefg.'.repeat(31)}abcdef`, null],
];

test('a host has one canonical form or is refused', () => {
  for (const [text, host] of HOSTS) {
    const parsed = parseHost(text);
    assert.equal(parsed.ok ? parsed.value.host : null, host, text);
    if (!parsed.ok) assert.equal(parsed.refusal.status, 400, text);
  }
});

test('the kind of a host is known', () => {
  for (const [text, kind] of [
    ['example.org', 'name'],
    ['192.0.2.1', 'ipv4'],
    ['[::1]', 'ipv6'],
  ] as const) {
    const parsed = parseHost(text);
    assert.equal(parsed.ok && parsed.value.hostKind, kind);
  }
});

test('an authority is a host and a port', () => {
  const cases: readonly [text: string, fallback: number | null, expected: string | null][] = [
    ['github.com:443', null, 'github.com 443'],
    ['github.com', 443, 'github.com 443'],
    ['github.com', null, null],
    ['[::1]:80', null, '::1 80'],
    ['[::1]', 80, '::1 80'],
    ['[::1]80', 80, null],
    ['::1:80', null, null],
    ['github.com:', 80, null],
    ['github.com:0', 80, null],
    ['github.com:080', 80, null],
    ['github.com:65535', 80, 'github.com 65535'],
    ['github.com:65536', 80, null],
    ['github.com:+80', 80, null],
    ['github.com:80:80', 80, null],
    ['user:secret@github.com:80', 80, null],
    ['evil.example@github.com', 80, null],
    [':80', 80, null],
  ];
  for (const [text, fallback, expected] of cases) {
    const parsed = parseAuthority(text, fallback);
    assert.equal(parsed.ok ? `${parsed.value.host} ${parsed.value.port}` : null, expected, text);
  }
});

test('a refused authority does not repeat its password', () => {
  const parsed = parseAuthority('user:secret@github.com', 80);
  assert.ok(!parsed.ok && !parsed.refusal.reason.includes('secret'));
});

test('a message names no host beyond ASCII', () => {
  assert.equal(parseWireAuthority('b\xfccher.example', 80).ok, false);
  assert.equal(parseAuthority('bücher.example', 80).ok, true);
});

test('an address of a socket is canonical, whatever its spelling', () => {
  assert.deepEqual(parseAddress('2001:0DB8::0:1'), { host: '2001:db8::1', hostKind: 'ipv6' });
  assert.deepEqual(parseAddress('192.0.2.1'), { host: '192.0.2.1', hostKind: 'ipv4' });
  for (const text of ['', '127.1', 'fe80::1%eth0', '[::1]', 'example.org'])
    assert.equal(parseAddress(text), null);
});

const hostish = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'aZ09.-_[]:%@xn。０é') }),
  fc.domain(),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6().map((address) => `[${address}]`),
);

test('no text makes the host parser throw, and what it gives it gives again', () => {
  fc.assert(
    fc.property(hostish, (text) => {
      const parsed = parseHost(text);
      if (!parsed.ok) return;
      const { host, hostKind } = parsed.value;
      assert.deepEqual(parseHost(hostKind === 'ipv6' ? `[${host}]` : host), parsed);
    }),
    { numRuns: 2000 },
  );
});

test('an accepted host is the one that the URL standard reads', () => {
  fc.assert(
    fc.property(hostish, (text) => {
      const parsed = parseHost(text);
      if (!parsed.ok) return;
      const url = new URL(`http://${text}/`).hostname.replace(/\.$/, '');
      assert.equal(parsed.value.hostKind === 'ipv6' ? `[${parsed.value.host}]` : parsed.value.host, url);
    }),
    { numRuns: 2000 },
  );
});
