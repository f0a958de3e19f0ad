import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists, request, tunnel } from '../../../test/harness/rules.ts';
import type { Target } from '../target/types.ts';

const tcp22 = { ports: [{ from: 22, to: 22 }], protocol: 'tcp' } as const;

interface Case {
  readonly name: string;
  readonly policy: RuleLists;
  readonly allowed?: readonly (string | Target)[];
  readonly denied?: readonly (string | Target)[];
}

const cases: readonly Case[] = [
  {
    name: 'no rule, no reach',
    policy: {},
    denied: ['GET https://github.com/', 'tls github.com:443', 'tcp a.b:22'],
  },
  {
    name: 'an exact domain is that host alone, on the ports of the web',
    policy: { allow: [{ domains: ['github.com'] }] },
    allowed: [
      'GET https://github.com/',
      'DELETE http://github.com/x/y',
      'OPTIONS http://github.com*',
      'GET http://github.com:443/',
    ],
    denied: [
      'GET https://api.github.com/',
      'GET https://evilgithub.com/',
      'GET https://github.com.evil.com/',
      'GET https://xn--gthub-n4a.com/',
      'GET https://github.com:8443/',
      'tcp github.com:22',
      'tcp github.com:443',
    ],
  },
  {
    name: 'a leading star is one or more labels, never none',
    policy: { allow: [{ domains: ['*.github.com'] }] },
    allowed: ['GET https://api.github.com/', 'GET https://a.b.github.com/'],
    denied: ['GET https://github.com/', 'GET https://evilgithub.com/', 'GET https://github.com.evil.com/'],
  },
  {
    name: 'a star inside is one label',
    policy: { allow: [{ domains: ['api.*.example.com', '*.x.*.org'] }] },
    allowed: ['GET https://api.eu.example.com/', 'GET https://a.x.b.org/', 'GET https://c.a.x.b.org/'],
    denied: ['GET https://api.example.com/', 'GET https://api.a.b.example.com/', 'GET https://x.b.org/'],
  },
  {
    name: 'a star alone is every name and no address',
    policy: { allow: [{ domains: ['*'] }] },
    allowed: ['GET https://github.com/', 'GET https://localhost/'],
    denied: ['GET https://1.1.1.1/', 'GET https://[2606:4700::1111]/', 'tls 1.1.1.1:443'],
  },
  {
    name: 'deny beats allow, whatever stands first',
    policy: { allow: [{ domains: ['*'] }], deny: [{ domains: ['evil.example'] }, { methods: ['DELETE'] }] },
    allowed: ['GET https://github.com/'],
    denied: [
      'GET https://evil.example/',
      'DELETE https://github.com/',
      'tls evil.example:443',
      'tcp evil.example:22',
    ],
  },
  {
    name: 'paths are compared byte for byte, a last star is one segment or more',
    policy: { allow: [{ domains: ['a.b'], paths: ['/api/*', '/one/*/two', '/exact'] }] },
    allowed: [
      'GET https://a.b/api/x',
      'GET https://a.b/api/x/y',
      'GET https://a.b/one/x/two',
      'GET https://a.b/exact',
    ],
    denied: [
      'GET https://a.b/api',
      'GET https://a.b/API/x',
      'GET https://a.b/one/x/y/two',
      'GET https://a.b/one/x%2Fy',
      'GET https://a.b/exact/',
      'GET https://a.b//exact',
      'OPTIONS https://a.b*',
      'GET https://a.b/',
    ],
  },
  {
    name: 'a denied path matches in every spelling that a lax server takes for it',
    policy: {
      allow: [{ domains: ['a.b'] }],
      deny: [{ domains: ['a.b'], paths: ['/admin/*', '/secret', '/x%2Fy'] }],
    },
    allowed: [
      'GET https://a.b/',
      'GET https://a.b/admin',
      'GET https://a.b/administrator/x',
      'GET https://a.b/secrets',
    ],
    denied: [
      'GET https://a.b/admin/x',
      'GET https://a.b/ADMIN/x',
      'GET https://a.b//admin//x',
      'GET https://a.b/%61dmin/x',
      'GET https://a.b/admin;v=1/x',
      'GET https://a.b/admin%2Fx',
      'GET https://a.b/admin%3Bv/x',
      'GET https://a.b/secret/',
      'GET https://a.b/Secret;x',
      'GET https://a.b/%2Fsecret',
      'GET https://a.b/x/y',
      'GET https://a.b/X%2fY',
    ],
  },
  {
    name: 'a denied path is compared with %2F inside its segment as well, and with letters folded',
    policy: { allow: [{ domains: ['a.b'] }], deny: [{ paths: ['/*/keys', '/secret'] }] },
    allowed: ['GET https://a.b/x%2Fy/z'],
    denied: ['GET https://a.b/x%2Fy/KEYS', 'GET https://a.b/%C5%BFecret'],
  },
  {
    name: 'methods, and those that a header claims',
    policy: {
      allow: [
        { domains: ['a.b'], methods: ['GET', 'POST'] },
        { domains: ['a.b'], methods: ['PUT'] },
      ],
    },
    allowed: [
      'GET https://a.b/',
      request('POST https://a.b/', { overrides: ['GET'] }),
      request('POST https://a.b/', { overrides: ['PUT'] }),
    ],
    denied: [
      'DELETE https://a.b/',
      request('POST https://a.b/', { overrides: ['DELETE'] }),
      'HEAD https://a.b/',
    ],
  },
  {
    name: 'a denied method is denied as an override',
    policy: { allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    denied: [request('POST https://a.b/', { overrides: ['DELETE'] })],
  },
  {
    name: 'ports, ranges and any',
    policy: {
      allow: [
        { domains: ['r.x'], ports: [{ from: 8000, to: 8999 }] },
        { domains: ['any.x'], ports: 'any' },
      ],
    },
    allowed: ['GET http://r.x:8000/', 'GET https://r.x:8999/', 'GET http://any.x:1/'],
    denied: ['GET https://r.x/', 'GET http://r.x:9000/', 'tcp any.x:22'],
  },
  {
    name: 'https is TLS alone',
    policy: { allow: [{ domains: ['a.b'], protocol: 'https' }] },
    allowed: ['GET https://a.b/', 'tls a.b:443'],
    denied: ['GET http://a.b/', 'GET http://a.b:443/', 'tcp a.b:443'],
  },
  {
    name: 'tcp is whatever passes on its port',
    policy: { allow: [{ domains: ['a.b'], ...tcp22 }] },
    allowed: ['tcp a.b:22', 'tls a.b:22', 'GET http://a.b:22/'],
    denied: ['tcp a.b:23', 'tcp c.b:22', 'GET https://a.b/'],
  },
  {
    name: 'WebSocket needs its GET alone, other upgrades their name, h2c never passes',
    policy: { allow: [{ domains: ['w.s'] }, { domains: ['u.p'], upgrade: ['DERP', 'h2c'] }] },
    allowed: [
      request('GET https://w.s/', { upgrade: 'websocket' }),
      request('GET https://u.p/', { upgrade: 'derp' }),
      request('GET https://u.p/', { upgrade: 'websocket' }),
    ],
    denied: [
      request('GET https://w.s/', { upgrade: 'derp' }),
      request('GET http://u.p/', { upgrade: 'h2c' }),
      request('GET https://u.p/', { upgrade: 'other' }),
    ],
  },
  {
    name: 'addresses are allowed by prefix, special ones by a prefix made for them',
    policy: { allow: [{ cidrs: ['0.0.0.0/0', '::/0', '10.1.0.0/16', '169.254.0.0/16', 'fd00:ec2::/32'] }] },
    allowed: [
      'GET https://1.1.1.1/',
      'GET https://[2606:4700::1111]/',
      'GET http://10.1.2.3/',
      'GET http://169.254.1.1/',
    ],
    denied: [
      'GET http://169.254.169.254/',
      'GET http://[fd00:ec2::254]/',
      'GET http://100.100.100.200/',
      'GET http://168.63.129.16/',
      'GET http://10.2.0.1/',
      'GET http://127.0.0.1/',
      'GET http://0.0.0.0/',
      'GET http://255.255.255.255/',
      'GET http://224.0.0.1/',
      'GET http://[::1]/',
      'GET http://[fe80::1]/',
      'GET http://[::ffff:a9fe:a9fe]/',
      'GET http://[::ffff:101:101]/',
      'GET http://[64:ff9b::a9fe:a9fe]/',
      'GET http://[2002:a9fe:a9fe::]/',
      'GET http://[2001:0:1::1]/',
      'GET http://1.one.one.one/',
    ],
  },
  {
    name: 'an IPv6 form of a special IPv4 address needs a prefix of its own',
    policy: {
      allow: [{ cidrs: ['::ffff:0:0/96', '64:ff9b::/96', '2002:a00:2::/128', '169.254.169.254/32'] }],
    },
    allowed: [
      'GET http://[::ffff:101:101]/',
      'GET http://[64:ff9b::101:101]/',
      'GET http://[2002:a00:2::]/',
      'GET http://169.254.169.254/',
    ],
    denied: [
      'GET http://[::ffff:a9fe:a9fe]/',
      'GET http://[64:ff9b::a00:1]/',
      'GET http://[64:ff9b::7f00:1]/',
      'GET http://[2002:a00:1::]/',
    ],
  },
  {
    name: 'a denied prefix holds for addresses that are asked for',
    policy: { allow: [{ cidrs: ['0.0.0.0/0'] }], deny: [{ cidrs: ['1.0.0.0/8'] }] },
    allowed: ['GET https://8.8.8.8/'],
    denied: ['GET https://1.1.1.1/'],
  },
  {
    name: 'a domain beside a prefix never matches an address',
    policy: { allow: [{ domains: ['a.b'], cidrs: ['8.8.8.0/24'] }] },
    allowed: ['GET https://a.b/'],
    denied: ['GET https://8.8.8.8/'],
  },
  {
    name: 'TRACE is refused where a secret would come back',
    policy: { allow: [{ domains: ['a.b'], inject: { header: 'X-Key', value: 's' } }] },
    allowed: ['GET https://a.b/'],
    denied: [
      'TRACE https://a.b/',
      request('GET https://a.b/', { overrides: ['TRACE'] }),
      'GET http://a.b/',
      'tls a.b:443',
    ],
  },
];

for (const { name, policy: lists, allowed = [], denied = [] } of cases) {
  test(name, () => {
    const policy = policyOf(lists);
    for (const [list, expected] of [[allowed, true] as const, [denied, false] as const]) {
      for (const item of list) {
        const target = typeof item === 'string' ? asTarget(item) : item;
        const decision = policy.decide(target);
        assert.equal(decision.allowed, expected, `${JSON.stringify(item)}: ${decision.reason}`);
        assert.equal(decision.allows.length > 0, expected);
        assert.ok(decision.reason.length > 10);
      }
    }
  });
}

test('the limits of every matching rule apply, so every matching rule is told, in order', () => {
  const policy = policyOf({ allow: [{ domains: ['*'] }, { domains: ['x.y'] }, { domains: ['*.y', 'x.y'] }] });
  const decision = policy.decide(request('GET https://x.y/'));
  assert.deepEqual(
    decision.allows.map(({ id }) => id),
    [0, 1, 2],
  );
  assert.equal(decision.rule?.id, 0);
});

test('a name of ten thousand characters is judged in no time', () => {
  const policy = policyOf({ allow: [{ domains: ['*.a.b', 'a.*.b', '*.x.*.b'] }] });
  const host = `${'a.'.repeat(5000)}b`;
  const start = performance.now();
  for (let round = 0; round < 10; round += 1) policy.decide({ ...request('GET https://x/'), host });
  assert.ok((performance.now() - start) / 10 < 10);
});

function asTarget(text: string): Target {
  return text.startsWith('t') ? tunnel(text) : request(text);
}
