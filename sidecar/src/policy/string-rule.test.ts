import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readStringRule } from './string-rule.ts';
import type { RuleSpec } from './types.ts';

const port = (from: number, to = from) => [{ from, to }];

const GOOD: [text: string, spec: RuleSpec][] = [
  ['github.com', { domains: ['github.com'] }],
  ['GitHub.com.', { domains: ['github.com'] }],
  ['*.github.com', { domains: ['*.github.com'] }],
  ['*', { domains: ['*'] }],
  ['github.com/api/issues/*', { domains: ['github.com'], paths: ['/api/issues/*'] }],
  ['*/health', { domains: ['*'], paths: ['/health'] }],
  ['GET,HEAD github.com', { methods: ['GET', 'HEAD'], domains: ['github.com'] }],
  ['get github.com', { methods: ['GET'], domains: ['github.com'] }],
  ['  GET   github.com  ', { methods: ['GET'], domains: ['github.com'] }],
  ['* github.com', { methods: ['*'], domains: ['github.com'] }],
  ['DELETE *', { methods: ['DELETE'], domains: ['*'] }],
  [
    'GET https://api.example.com:8443/v1/*',
    {
      methods: ['GET'],
      domains: ['api.example.com'],
      paths: ['/v1/*'],
      protocol: 'https',
      ports: port(8443),
    },
  ],
  ['https://x.org', { domains: ['x.org'], protocol: 'https', ports: port(443) }],
  ['HTTP://x.org/', { domains: ['x.org'], paths: ['/'], protocol: 'http', ports: port(80) }],
  ['x.org:any', { domains: ['x.org'], ports: 'any' }],
  ['x.org:8000-8999', { domains: ['x.org'], ports: port(8000, 8999) }],
  ['10.0.0.0/8', { cidrs: ['10.0.0.0/8'] }],
  ['10.1.2.3:5432', { cidrs: ['10.1.2.3'], ports: port(5432) }],
  ['10.0.0.0:443/8', { cidrs: ['10.0.0.0/8'], ports: port(443) }],
  ['[2001:db8::]/32', { cidrs: ['2001:db8::/32'] }],
  [
    'GET http://[2001:db8::1]:8080',
    { methods: ['GET'], cidrs: ['2001:db8::1'], protocol: 'http', ports: port(8080) },
  ],
  ['x.org/a=b', { domains: ['x.org'], paths: ['/a=b'] }],
  ['domain=github.com', { domains: ['github.com'] }],
  [
    'method=get,HEAD domain=github.com path=/api/*,/x',
    { methods: ['GET', 'HEAD'], domains: ['github.com'], paths: ['/api/*', '/x'] },
  ],
  ['path=*\tdomain=*.x.org', { domains: ['*.x.org'], paths: ['*'] }],
  ['method=GET', { methods: ['GET'], domains: ['*'] }],
];

const BAD: [text: string, message: RegExp][] = [
  ['', /empty rule/],
  ['   ', /empty rule/],
  ['GET', /"GET \*" for every name/],
  ['delete', /"DELETE \*"/],
  ['127.1', /four decimal/],
  ['2852039166', /four decimal/],
  ['0x7f.1', /odd form/],
  ['10.0.0.1/8', /bits set/],
  ['10.0.0.0/33', /0 to 32/],
  ['10.0.0.1/api', /prefix length/],
  ['::1', /brackets/],
  ['2001:db8::/32', /brackets/],
  ['[::1', /./],
  ['[fe80::1%eth0]', /plain form/],
  ['[1.2.3.4]', /plain form/],
  ['x.org:*', /write "any"/],
  ['x.org:', /no port/],
  ['x.org:0', /no port/],
  ['x.org:70000', /no port/],
  ['/api/*', /no host/],
  ['https:///x', /no host/],
  ['x.org?a=b', /query/],
  ['x.org/a?b', /query/],
  ['x.org/a#b', /query/],
  ['user@x.org', /user name/],
  ['ftp://x.org', /neither http nor https/],
  ['api.*', /leaves its end open/],
  ['a*.com', /part of a label/],
  ['x.org/../a', /segment/],
  ['[github.com](http://github.com)', /Markdown/],
  ['GET x.org y', /one word too many/],
  ['G=T x.org', /unknown/],
  ['G3T x.org', /no list of methods/],
  ['domain=a.org domain=b.org', /twice/],
  ['domain=', /empty value/],
  ['domain=a.org,', /empty value/],
  ['domain=a.org path=x', /does not start/],
  ['domian=a.org', /Did you mean "domain"/],
  ['domain=a.org b.org', /without a key/],
  ['domain=https://a.org', /scheme/],
];

describe('a rule in one string', () => {
  for (const [text, spec] of GOOD) {
    it(`reads ${JSON.stringify(text)}`, () => {
      const read = readStringRule(text, 'allow');
      assert.ok('rule' in read, JSON.stringify(read));
      assert.deepEqual(read.rule.draft, spec);
    });
  }
  for (const [text, message] of BAD) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const read = readStringRule(text, 'allow');
      assert.ok('faults' in read, JSON.stringify(read));
      assert.match(read.faults.map((fault) => fault.message).join('\n'), message);
    });
  }
  it('leaves a deny that names nobody open to addresses too', () => {
    const read = readStringRule('method=DELETE', 'deny');
    assert.deepEqual('rule' in read && read.rule.draft, { methods: ['DELETE'] });
  });
  it('does not throw, and never takes a star for more than a label or segment', () => {
    const part = fc.constantFrom(
      'GET ',
      'https://',
      'x.org',
      '*',
      '.',
      ':',
      '443',
      '/',
      'a',
      '[',
      ']',
      '=',
      ',',
      '%',
      '10.0.0.0',
      'domain=',
      'path=',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (text) => {
          const read = readStringRule(text, 'allow');
          if ('faults' in read) return assert.ok(read.faults.length > 0);
          const { domains = [], paths = [], cidrs = [] } = read.rule.draft;
          assert.ok(domains.length + cidrs.length > 0);
          for (const domain of domains) assert.match(domain, /^(?:\*|(?:(?:\*|[a-z0-9_-]+)\.)*[a-z0-9_-]+)$/);
          for (const path of paths) assert.match(path, /^(?:\*|(?:\/(?:\*|[^/*?#\s]*))+)$/);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
