import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Asked,
  dnsQuery,
  numbers,
  readAnswer,
  TYPES,
  wireName,
} from '../../../test/harness/dns-message.ts';
import { createDnsService, type DnsEvent } from './dns-service.ts';
import { type NameAddresses, openNameAddresses } from './name-addresses.ts';

interface Bench {
  readonly names: NameAddresses;
  readonly events: DnsEvent[];
  /** `RCODE data...` of the answer, `nothing` where there was none. */
  ask(asked: Asked | Buffer): string;
}

/** A service over a real book, where `*.allowed.example` can be reached. */
function bench(size?: number): Bench {
  const path = join(mkdtempSync(join(tmpdir(), 'boundary-dns-')), 'names');
  const names = openNameAddresses({ path, ...(size === undefined ? {} : { size }) });
  names.reserve('boundary.internal', '198.18.0.1');
  const events: DnsEvent[] = [];
  const service = createDnsService({
    names,
    mayReach: (name) => name.endsWith('allowed.example') || name === 'boundary.internal',
    onQuestion: (event) => events.push(event),
    ttlSeconds: 77,
  });
  return {
    names,
    events,
    ask(asked) {
      const octets = service.answer(Buffer.isBuffer(asked) ? asked : dnsQuery(asked), 'udp');
      if (octets === null) return 'nothing';
      const { rcode, records } = readAnswer(octets);
      return [rcode, ...records.map(({ data }) => data)].join(' ');
    },
  };
}

test('a name is answered with its address, to be kept for a while', () => {
  const { names, ask, events } = bench();
  assert.equal(ask({ name: 'WWW.allowed.example' }), `NOERROR ${names.addressOf('www.allowed.example')}`);
  const { reason, ...event } = events[0] ?? assert.fail('no event');
  assert.deepEqual(event, {
    name: 'www.allowed.example',
    asked: 'WWW.allowed.example',
    type: 'A',
    address: names.addressOf('www.allowed.example'),
    transport: 'udp',
    result: 'answered',
    impossible: false,
  });
  assert.match(reason, /nothing was asked elsewhere/);
  const service = createDnsService({
    names,
    mayReach: () => true,
    onQuestion: (one) => events.push(one),
    ttlSeconds: 77,
  });
  const answer = readAnswer(service.answer(dnsQuery({ name: 'a.b', edns: {} }), 'tcp') ?? Buffer.alloc(0));
  assert.deepEqual(
    [answer.records[0]?.ttl, answer.flags, answer.edns?.size, events.at(-1)?.transport],
    [77, ['qr', 'rd', 'ra'], 1232, 'tcp'],
  );
});

test('a name that no rule allows is answered too, and is remarked', () => {
  const { names, ask, events } = bench();
  assert.equal(ask({ name: 'secret.evil.example' }), `NOERROR ${names.addressOf('secret.evil.example')}`);
  assert.deepEqual([events[0]?.result, events[0]?.impossible], ['answered', true]);
  assert.match(events[0]?.reason ?? '', /No rule allows anything at secret\.evil\.example.*sent to nobody/);
});

/** Asked, answer, result, and whether it is remarked. Names outside `allowed.example` are. */
const cases: readonly (readonly [string, Asked, string, DnsEvent['result'], boolean])[] = [
  ['AAAA has no data', { name: 'allowed.example', type: TYPES.AAAA }, 'NOERROR', 'empty', false],
  ['HTTPS neither', { name: 'allowed.example', type: TYPES.HTTPS }, 'NOERROR', 'empty', false],
  ['nor SVCB', { name: '_dns.resolver.arpa', type: TYPES.SVCB }, 'NOERROR', 'empty', true],
  ['nor TXT', { name: 'c2VjcmV0.evil.example', type: TYPES.TXT }, 'NOERROR', 'empty', true],
  ['nor NULL', { name: 'c2VjcmV0.evil.example', type: 10 }, 'NOERROR', 'empty', true],
  ['nor CNAME', { name: 'allowed.example', type: 5 }, 'NOERROR', 'empty', false],
  ['nor MX', { name: 'allowed.example', type: TYPES.MX }, 'NOERROR', 'empty', false],
  ['nor SRV', { name: '_ldap._tcp.allowed.example', type: TYPES.SRV }, 'NOERROR', 'empty', false],
  ['nor NS', { name: 'allowed.example', type: TYPES.NS }, 'NOERROR', 'empty', false],
  ['nor SOA', { name: 'allowed.example', type: TYPES.SOA }, 'NOERROR', 'empty', false],
  ['nor PTR, but for reverse names', { name: 'allowed.example', type: TYPES.PTR }, 'NOERROR', 'empty', false],
  ['nor what has no name', { name: 'allowed.example', type: 65_400 }, 'NOERROR', 'empty', false],
  ['the root has none', { name: '', type: TYPES.NS }, 'NOERROR', 'empty', false],
  ['ANY is refused', { name: 'allowed.example', type: 255 }, 'REFUSED', 'refused', false],
  ['AXFR is refused', { name: 'allowed.example', type: 252 }, 'REFUSED', 'refused', false],
  ['IXFR is refused', { name: 'allowed.example', type: 251 }, 'REFUSED', 'refused', false],
  ['OPT is nothing to ask for', { name: 'allowed.example', type: 41 }, 'REFUSED', 'refused', false],
  ['nor is a type of no meaning', { name: 'allowed.example', type: 0 }, 'REFUSED', 'refused', false],
  [
    'the class CH is refused',
    { name: 'version.bind', type: TYPES.TXT, class: 3 },
    'REFUSED',
    'refused',
    false,
  ],
  ['the class ANY is refused', { name: 'allowed.example', class: 255 }, 'REFUSED', 'refused', false],
  ['another EDNS is refused', { name: 'allowed.example', edns: { version: 1 } }, 'BADVERS', 'refused', false],
  ['localhost is this machine', { name: 'localhost' }, 'NOERROR 127.0.0.1', 'answered', false],
  ['so is what is under it', { name: 'app.localhost' }, 'NOERROR 127.0.0.1', 'answered', false],
  ['by IPv4 alone', { name: 'localhost', type: TYPES.AAAA }, 'NOERROR', 'empty', false],
  ['invalid is never there', { name: 'a.invalid' }, 'NXDOMAIN', 'empty', true],
  ['nor is onion', { name: 'abc.onion', type: TYPES.AAAA }, 'NXDOMAIN', 'empty', true],
  ['browsers are told to use the system', { name: 'use-application-dns.net' }, 'NXDOMAIN', 'empty', false],
  ['an address is no name', { name: '10.0.0.1' }, 'NXDOMAIN', 'refused', true],
  [
    'nor is what has other octets',
    { name: wireName(['a\r\nb', 'allowed', 'example']) },
    'NXDOMAIN',
    'refused',
    true,
  ],
  ['nor is NUL', { name: wireName(['a\0', 'allowed', 'example']) }, 'NXDOMAIN', 'refused', true],
  ['nor is a dot within a label', { name: wireName(['a.allowed', 'example']) }, 'NXDOMAIN', 'refused', true],
  [
    'loopback is called localhost',
    { name: '1.0.0.127.in-addr.arpa', type: TYPES.PTR },
    'NOERROR localhost',
    'answered',
    false,
  ],
  [
    'what is reserved has its name',
    { name: '1.0.18.198.in-addr.arpa', type: TYPES.PTR },
    'NOERROR boundary.internal',
    'answered',
    false,
  ],
  ['and nothing but a name', { name: '1.0.18.198.in-addr.arpa' }, 'NOERROR', 'empty', false],
  [
    'what was given to nobody has none',
    { name: '9.9.18.198.in-addr.arpa', type: TYPES.PTR },
    'NXDOMAIN',
    'empty',
    false,
  ],
  [
    'nor has what is elsewhere',
    { name: '1.1.1.1.in-addr.arpa', type: TYPES.PTR },
    'NXDOMAIN',
    'empty',
    false,
  ],
  ['nor has IPv6', { name: `${'0.'.repeat(32)}ip6.arpa`, type: TYPES.PTR }, 'NXDOMAIN', 'empty', false],
  ['nor has part of an address', { name: '18.198.in-addr.arpa', type: TYPES.PTR }, 'NXDOMAIN', 'empty', true],
  ['nor what hides there', { name: 'secret.in-addr.arpa', type: TYPES.PTR }, 'NXDOMAIN', 'empty', true],
  [
    'nor what is no octet',
    { name: '999.0.18.198.in-addr.arpa', type: TYPES.PTR },
    'NXDOMAIN',
    'empty',
    false,
  ],
  ['an inverse query', { flags: 0x0900 }, 'NOTIMP', 'malformed', false],
  ['a notification', { flags: 0x2000 }, 'NOTIMP', 'malformed', false],
  ['an update', { flags: 0x2800 }, 'NOTIMP', 'malformed', false],
  [
    'two questions',
    { counts: [2, 0, 0, 0], more: Buffer.concat([wireName(['b']), numbers(1, 1)]) },
    'FORMERR',
    'malformed',
    false,
  ],
  ['a name that is too long', { name: wireName(Array(128).fill('a')) }, 'FORMERR', 'malformed', false],
  ['a name that points to itself', { name: Buffer.of(0xc0, 12) }, 'FORMERR', 'malformed', false],
  ['an answer is not answered', { flags: 0x8180 }, 'nothing', 'malformed', false],
];

describe('a question', () => {
  for (const [name, asked, expected, result, impossible] of cases) {
    test(name, () => {
      const { ask, events, names } = bench();
      assert.equal(ask(asked), expected);
      assert.deepEqual(
        events.map((event) => [event.result, event.impossible]),
        [[result, impossible]],
      );
      assert.match(events[0]?.reason ?? '', /^[A-Z0-9].*\.$/);
      assert.equal(names.count, 0, 'no address was spent');
    });
  }

  for (const name of [
    'db',
    'metadata.google.internal',
    'printer.local',
    'nas.home.arpa',
    'a.test',
    'host.docker.internal',
  ])
    test(`for ${name} is one like any other`, () => {
      const { ask, names } = bench();
      assert.equal(ask({ name }), `NOERROR ${names.addressOf(name)}`);
    });

  test('for a name in reverse finds the name that has the address', () => {
    const { ask, names } = bench();
    const address = names.addressOf('www.allowed.example') ?? '';
    const reverse = `${address.split('.').reverse().join('.')}.IN-ADDR.arpa`;
    assert.equal(ask({ name: reverse, type: TYPES.PTR }), 'NOERROR www.allowed.example');
  });

  test('shows what was asked for where it is no name', () => {
    const { ask, events } = bench();
    ask({ name: wireName(['a\r\nb', 'example']), type: 65_400 });
    assert.deepEqual(
      events.map(({ name, asked, type }) => [name, asked, type]),
      [[null, 'a\\013\\010b.example', 'TYPE65400']],
    );
    ask({ flags: 0x2800 });
    const { reason, ...unread } = events[1] ?? assert.fail('no event');
    assert.deepEqual([unread.name, unread.asked, unread.type], [null, null, null]);
    assert.match(reason, /opcode is 5/);
  });
});

test('where no address is free, the answer is SERVFAIL, and known names go on', () => {
  const { ask, events } = bench(8);
  // The last eighth is for names that some rule could allow.
  for (let n = 0; n < 7; n++) assert.match(ask({ name: `n${n}.evil.example` }), /^NOERROR 198/);
  assert.equal(ask({ name: 'n7.evil.example' }), 'SERVFAIL');
  assert.deepEqual(
    [events.at(-1)?.result, events.at(-1)?.impossible, events.at(-1)?.address],
    ['full', true, null],
  );
  assert.match(ask({ name: 'www.allowed.example' }), /^NOERROR 198/);
  assert.equal(ask({ name: 'api.allowed.example' }), 'SERVFAIL');
  assert.deepEqual([events.at(-1)?.result, events.at(-1)?.impossible], ['full', false]);
  assert.match(events.at(-1)?.reason ?? '', /No address is free/);
  assert.match(ask({ name: 'n0.evil.example' }), /^NOERROR 198/);
  assert.equal(ask({ name: 'api.allowed.example', type: TYPES.AAAA }), 'NOERROR');
});

test('a fault of ours is SERVFAIL, and is said', () => {
  const events: DnsEvent[] = [];
  const service = createDnsService({
    names: bench().names,
    mayReach() {
      throw new Error('out of order');
    },
    onQuestion: (event) => events.push(event),
  });
  const answer = readAnswer(service.answer(dnsQuery({}), 'udp') ?? Buffer.alloc(0));
  assert.equal(answer.rcode, 'SERVFAIL');
  assert.deepEqual(
    events.map(({ result }) => result),
    ['full'],
  );
  assert.match(events[0]?.reason ?? '', /fault of boundary's own: out of order/);
});

test('any octets have one event, and an answer of 512 octets at most that says what it answers', () => {
  const { names } = bench();
  let events = 0;
  const service = createDnsService({ names, mayReach: () => false, onQuestion: () => events++ });
  const bent = fc
    .tuple(
      fc.constantFrom(
        dnsQuery({ edns: {} }),
        dnsQuery({ name: 'x.in-addr.arpa', type: 12 }),
        dnsQuery({
          name: wireName([...Array(3).fill('a'.repeat(63)), 'b'.repeat(61)]),
          edns: { flags: 0x8000 },
        }),
      ),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
      fc.uint8Array({ maxLength: 8 }),
    )
    .map(([message, changes, tail]) => {
      const octets = Buffer.concat([message, tail]);
      for (const [place, octet] of changes) octets[place % octets.length] = octet;
      return octets;
    });
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 600 }).map(Buffer.from)), (octets) => {
      const before = events;
      const answer = service.answer(octets, 'udp');
      assert.equal(events, before + 1);
      if (answer === null) return assert.ok(octets.length < 12 || (octets[2] ?? 0) >= 0x80);
      assert.ok(answer.length <= 512);
      const { id, flags, records } = readAnswer(answer);
      assert.equal(id, octets.readUInt16BE(0));
      assert.ok(
        flags.includes('qr') && flags.includes('ra') && !flags.includes('aa') && !flags.includes('tc'),
      );
      assert.ok(records.length <= 1);
      for (const { type, data } of records)
        assert.ok(type === TYPES.PTR || data === '127.0.0.1' || names.nameOf(data) !== undefined);
    }),
    { numRuns: 3000 },
  );
});
