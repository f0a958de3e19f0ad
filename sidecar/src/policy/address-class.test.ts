import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { cidrHolds, readAddress, readCidr } from './address.ts';
import { classOf } from './address-class.ts';

const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
const ipv6 = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => new ipaddr.IPv6(groups).toRFC5952String());

function className(text: string): string | null {
  const address = readAddress(text);
  assert.ok(address !== null, text);
  return classOf(address)?.name ?? null;
}

const classes: readonly (readonly [string, string | null])[] = [
  ['1.1.1.1', null],
  ['9.255.255.255', null],
  ['11.0.0.0', null],
  ['172.15.255.255', null],
  ['172.32.0.0', null],
  ['223.255.255.255', null],
  ['100.63.255.255', null],
  ['100.128.0.0', null],
  ['192.0.1.0', null],
  ['198.17.255.255', null],
  ['198.20.0.0', null],
  ['10.0.0.0', 'private (RFC 1918)'],
  ['172.16.0.0', 'private (RFC 1918)'],
  ['172.31.255.255', 'private (RFC 1918)'],
  ['192.168.255.255', 'private (RFC 1918)'],
  ['100.64.0.0', 'carrier-grade NAT'],
  ['100.100.100.200', 'cloud metadata'],
  ['127.255.255.255', 'loopback'],
  ['169.254.169.254', 'cloud metadata'],
  ['169.254.170.2', 'cloud metadata'],
  ['168.63.129.16', 'cloud metadata'],
  ['169.254.1.1', 'link-local'],
  ['0.0.0.0', 'this network'],
  ['192.0.0.8', 'protocol assignments'],
  ['192.0.2.1', 'documentation'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['198.19.255.255', 'benchmarking'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['2606:4700::1111', null],
  ['2a00::1', null],
  ['::', 'reserved'],
  ['::1', 'loopback'],
  ['::7f00:1', 'reserved'],
  // As getaddrinfo(3) writes it; ipaddr.js takes it for v4-mapped.
  ['::10.0.0.1', 'reserved'],
  ['fd00:ec2::254', 'cloud metadata'],
  ['fd00::1', 'unique local (ULA)'],
  ['fe80::1', 'link-local'],
  ['fec0::1', 'reserved'],
  ['ff02::1', 'multicast'],
  ['2001:db8::1', 'documentation'],
  ['3fff::1', 'documentation'],
  ['2001:2::1', 'benchmarking'],
  ['2001:20::1', 'protocol assignments'],
  ['::ffff:1.1.1.1', 'v4-mapped'],
  ['::ffff:a9fe:a9fe', 'v4-mapped of cloud metadata'],
  ['::ffff:0:a00:1', 'v4-mapped of private (RFC 1918)'],
  ['64:ff9b::a9fe:a9fe', 'NAT64 of cloud metadata'],
  ['64:ff9b:1::101:101', 'NAT64'],
  ['2002:a00:1::', '6to4 of private (RFC 1918)'],
  ['2002:101:101::', '6to4'],
  ['2001:0:1::5601:5601', 'Teredo of cloud metadata'],
  ['100::1', 'reserved'],
  ['5f00::1', 'reserved'],
];

for (const [address, expected] of classes) {
  test(`${address} is ${expected ?? 'an ordinary address'}`, () => {
    assert.equal(className(address), expected);
  });
}

test('Teredo stores the address inverted', () => {
  // 169.254.169.254 is a9fe:a9fe; each bit inverted 5601:5601.
  assert.equal(className('2001:0:4136:e378:8000:63bf:5601:5601'), 'Teredo of cloud metadata');
});

/** What ipaddr.js calls ordinary but is special here, or the other way round, on purpose. */
const OURS = new Set(['168.63.129.16']);
const THEIRS = new Set(['as112', 'amt', 'as112v6', 'orchid2', 'droneRemoteIdProtocolEntityTags']);

test('every address that ipaddr.js calls special is special', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), (text) => {
      const range = ipaddr.parse(text).range();
      if (range !== 'unicast' && !THEIRS.has(range))
        assert.notEqual(className(text), null, `${text} is ${range}`);
      // Outside 2000::/3 it calls unicast what nobody was given.
      else if (!text.includes(':') && !OURS.has(text))
        assert.equal(className(text), null, `${text} is ${range}`);
    }),
    { numRuns: 5000 },
  );
});

test('addresses are read as ipaddr.js reads them', () => {
  fc.assert(
    fc.property(ipv6, (text) => {
      const read = readAddress(text);
      assert.deepEqual(read, { version: 6, groups: ipaddr.IPv6.parse(text).parts });
    }),
  );
  fc.assert(
    fc.property(ipv4, (text) => {
      const octets = text.split('.').map(Number);
      assert.deepEqual(readAddress(text), {
        version: 4,
        number: octets.reduce((sum, item) => sum * 256 + item, 0),
      });
    }),
  );
});

for (const text of [
  '',
  '1',
  '127.1',
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '1.2.3.256',
  '1.2.3.',
  '.1.2.3',
  '0x7f.0.0.1',
  '2852039166',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  'fe80::1%eth0',
  '[::1]',
  '12345::',
  '::1.2.3',
  '1.2.3.4::',
  '1:2:3:4:5:6:7::8:9',
  ' 1.2.3.4',
]) {
  test(`${JSON.stringify(text)} is no address`, () => assert.equal(readAddress(text), null));
}

test('prefixes hold what ipaddr.js says they hold', () => {
  const pair = fc.oneof(
    fc.tuple(ipv4, ipv4, fc.integer({ min: 0, max: 32 })),
    fc.tuple(ipv6, ipv6, fc.integer({ min: 0, max: 128 })),
  );
  fc.assert(
    fc.property(pair, fc.boolean(), ([base, other, length], near) => {
      const network = networkOf(base, length);
      const cidr = readCidr(`${network}/${length}`);
      const asked = near ? base : other;
      const address = readAddress(asked);
      assert.ok(cidr !== null && address !== null);
      assert.equal(cidrHolds(cidr, address), networkOf(asked, length) === network);
      if (network !== base) assert.equal(readCidr(`${base}/${length}`), null);
    }),
    { numRuns: 3000 },
  );
});

function networkOf(text: string, length: number): string {
  return text.includes(':')
    ? ipaddr.IPv6.networkAddressFromCIDR(`${text}/${length}`).toRFC5952String()
    : ipaddr.IPv4.networkAddressFromCIDR(`${text}/${length}`).toString();
}
