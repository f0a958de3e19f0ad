import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { faultsOf, type RuleLists } from '../../../test/harness/rules.ts';
import { domainMatches } from './domain-match.ts';
import { domainOverlap, exampleName } from './overlap.ts';

const at22 = { ports: [{ from: 22, to: 22 }], protocol: 'tcp' } as const;
const key = { header: 'X-Key', value: 'secret-value' };

/** The lines (from 1, allow rules first) that are faulty. */
const cases: readonly (readonly [string, RuleLists, readonly number[]])[] = [
  [
    'a path where the file says never',
    { inspect: 'never', allow: [{ domains: ['a.b'], paths: ['/x'] }] },
    [1],
  ],
  [
    'opened by the rule itself',
    { inspect: 'never', allow: [{ domains: ['a.b'], paths: ['/x'], inspect: 'always' }] },
    [],
  ],
  [
    'opened by another rule',
    {
      inspect: 'never',
      allow: [
        { domains: ['a.b'], paths: ['/x'] },
        { domains: ['*.b'], inspect: 'auto' },
      ],
    },
    [],
  ],
  [
    'opened in part',
    {
      inspect: 'never',
      allow: [
        { domains: ['*.b'], paths: ['/x'] },
        { domains: ['a.b'], inspect: 'always' },
      ],
    },
    [1],
  ],
  [
    'opened on another port',
    {
      inspect: 'never',
      allow: [
        { domains: ['a.b'], paths: ['/x'] },
        { domains: ['a.b'], inspect: 'always', ports: [{ from: 80, to: 80 }] },
      ],
    },
    [1],
  ],
  [
    'never on a narrower host',
    {
      allow: [
        { domains: ['*.b'], methods: ['GET'] },
        { domains: ['a.b'], inspect: 'never' },
      ],
    },
    [1],
  ],
  [
    'never on a wider host',
    {
      allow: [
        { domains: ['a.b'], methods: ['GET'] },
        { domains: ['*.b'], inspect: 'never' },
      ],
    },
    [1],
  ],
  [
    'never where stars cross',
    {
      allow: [
        { domains: ['a.*.c'], methods: ['GET'] },
        { domains: ['*.b.c'], inspect: 'never' },
      ],
    },
    [1],
  ],
  [
    'never elsewhere',
    {
      allow: [
        { domains: ['a.b'], methods: ['GET'] },
        { domains: ['c.b'], inspect: 'never' },
      ],
    },
    [],
  ],
  [
    'a deny that cannot see',
    { allow: [{ domains: ['a.b'], inspect: 'never' }], deny: [{ domains: ['a.b'], paths: ['/x'] }] },
    [2],
  ],
  [
    'a deny on every port, where what is allowed is opened',
    {
      inspect: 'never',
      allow: [{ domains: ['a.b'], inspect: 'always' }],
      deny: [{ domains: ['a.b'], paths: ['/x'] }],
    },
    [],
  ],
  [
    'a deny that forbids its own look',
    { deny: [{ domains: ['a.b'], paths: ['/x'], inspect: 'never' }] },
    [1],
  ],
  [
    'a deny that names nobody is blind, not at fault',
    { inspect: 'never', allow: [{ domains: ['a.b'] }], deny: [{ methods: ['DELETE'] }] },
    [],
  ],
  [
    'plain HTTP alone is seen without opening anything',
    { inspect: 'never', allow: [{ domains: ['a.b'], methods: ['GET'], ports: [{ from: 80, to: 80 }] }] },
    [],
  ],
  ['a repo', { inspect: 'never', allow: [{ repos: [{ host: 'a.b', owner: 'x', name: 'y' }] }] }, [1]],
  ['an address', { inspect: 'never', allow: [{ cidrs: ['8.0.0.0/8'], methods: ['GET'] }] }, [1]],
  [
    'tcp and a path on one port',
    {
      allow: [
        { domains: ['a.b'], ...at22 },
        { domains: ['*.b'], paths: ['/x'], ports: 'any' },
      ],
    },
    [2],
  ],
  [
    'tcp and a path on ports apart',
    {
      allow: [
        { domains: ['a.b'], ...at22 },
        { domains: ['a.b'], paths: ['/x'] },
      ],
    },
    [],
  ],
  [
    'tcp and a denied path on any port',
    { allow: [{ domains: ['a.b'], ...at22 }], deny: [{ domains: ['a.b'], paths: ['/x'] }] },
    [2],
  ],
  [
    'tcp and a rule that needs nothing',
    {
      allow: [
        { domains: ['a.b'], ...at22 },
        { domains: ['a.b'], ports: 'any' },
      ],
    },
    [],
  ],
  [
    'tcp and a rule that opens',
    {
      allow: [
        { domains: ['a.b'], ...at22 },
        { domains: ['a.b'], ports: 'any', inspect: 'always' },
      ],
    },
    [2],
  ],
  [
    'tcp and a denied protocol',
    { allow: [{ domains: ['a.b'], ...at22 }], deny: [{ domains: ['a.b'], protocol: 'https' }] },
    [2],
  ],
  ['tcp and a denied host', { allow: [{ domains: ['*.b'], ...at22 }], deny: [{ domains: ['a.b'] }] }, []],
  [
    'one header twice',
    {
      allow: [
        { domains: ['a.b'], inject: key },
        { domains: ['a.b'], inject: { ...key, header: 'x-key' } },
      ],
    },
    [2],
  ],
  [
    'two headers',
    {
      allow: [
        { domains: ['a.b'], inject: key },
        { domains: ['a.b'], inject: { ...key, header: 'Y' } },
      ],
    },
    [],
  ],
  [
    'one header, paths apart',
    {
      allow: [
        { domains: ['a.b'], paths: ['/x/*'], inject: key },
        { domains: ['a.b'], paths: ['/y/*', '/x'], inject: key },
      ],
    },
    [],
  ],
  [
    'one header, paths that cross',
    {
      allow: [
        { domains: ['a.b'], paths: ['/x/*'], inject: key },
        { domains: ['a.b'], paths: ['/*/z'], inject: key },
      ],
    },
    [2],
  ],
  [
    'one header, methods apart',
    {
      allow: [
        { domains: ['a.b'], methods: ['GET'], inject: key },
        { domains: ['a.b'], methods: ['PUT'], inject: key },
      ],
    },
    [],
  ],
];

for (const [name, lists, lines] of cases) {
  test(`${lines.length > 0 ? 'refused' : 'loaded'}: ${name}`, () => {
    const faults = faultsOf(lists);
    assert.deepEqual(
      faults.map(({ line }) => line),
      lines,
      JSON.stringify(faults),
    );
    for (const { message, file, column } of faults) {
      assert.equal(`${file}:${column}`, 'p.yaml:5');
      assert.doesNotMatch(message, /secret-value|any-label/);
    }
  });
}

test('domains overlap exactly where some name matches both', () => {
  const label = fc.constantFrom('a', 'b', '*');
  const pattern = fc
    .tuple(fc.array(label, { minLength: 1, maxLength: 3 }), fc.constantFrom('a', 'b'))
    .map(([labels, last]) => [...labels, last].join('.'));
  const names = ['a', 'b', 'c'].flatMap((x) =>
    ['a', 'b', 'c'].flatMap((y) =>
      ['a', 'b'].flatMap((z) => [
        `${y}.${z}`,
        `${x}.${y}.${z}`,
        ...['a', 'b', 'c'].flatMap((w) => [`${w}.${x}.${y}.${z}`, `c.${w}.${x}.${y}.${z}`]),
      ]),
    ),
  );
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      const both = domainOverlap(a, b);
      const shared = names.filter((name) => domainMatches(a, name) && domainMatches(b, name));
      assert.equal(both === null, shared.length === 0, `${a} ${b} ${both}`);
      if (both === null) return;
      for (const item of [a, b]) assert.ok(domainMatches(item, exampleName(both)), `${item} ${both}`);
    }),
  );
});
