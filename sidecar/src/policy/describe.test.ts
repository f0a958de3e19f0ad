import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists } from '../../../test/harness/rules.ts';
import { describePolicy } from './describe.ts';

const tcp22 = { ports: [{ from: 22, to: 22 }], protocol: 'tcp' } as const;

test('an empty policy denies everything, and is told so', () => {
  const { meaning, blind, special } = describePolicy(policyOf({}));
  assert.deepEqual(
    [meaning, blind, special],
    [['Mode enforce: what no rule allows is denied.', 'Nothing is allowed.'], [], []],
  );
});

test('every rule is one line, without the value that it injects', () => {
  const { meaning } = describePolicy(
    policyOf({
      allow: [
        { domains: ['*'], methods: ['GET'], paths: ['/x/*'] },
        { domains: ['a.b'], inject: { header: 'X-Key', value: 'secret-value' } },
        { repos: [{ host: 'github.com', owner: 'coder', name: '*' }] },
        { registries: ['npm'], packages: ['left-pad'] },
      ],
      deny: [{ domains: ['c.d'] }],
    }),
  );
  assert.deepEqual(meaning.slice(1), [
    'p.yaml:1: allow every name; methods GET; paths /x/*; port 80, 443',
    'p.yaml:2: allow a.b; port 80, 443; injects X-Key',
    'p.yaml:3: allow git github.com/coder/*; port 443; read',
    'p.yaml:4: allow registry npm; packages left-pad; port 443',
    'p.yaml:5: deny c.d; any port',
  ]);
});

test('what is passed unread, and the deny rules that are blind there', () => {
  const { blind } = describePolicy(
    policyOf({
      allow: [{ domains: ['*.a.b'], inspect: 'never' }, { domains: ['o.b'] }, { domains: ['t.b'], ...tcp22 }],
      deny: [{ methods: ['DELETE'] }, { domains: ['o.b'], paths: ['/x'] }],
    }),
  );
  assert.deepEqual(blind, [
    '*.a.b:443 is passed unread: methods, paths and bodies are not seen.',
    't.b:22 is passed unread: methods, paths and bodies are not seen.',
    'p.yaml:4: this deny rule looks at requests and is blind at *.a.b:443, t.b:22.',
  ]);
});

test('addresses that are passed unread', () => {
  const { blind } = describePolicy(
    policyOf({
      allow: [
        { cidrs: ['10.20.0.0/16', '2001:db8::/32'], ...tcp22 },
        { cidrs: ['8.8.8.8/32'], inspect: 'never' },
        { cidrs: ['9.9.9.9/32'] },
      ],
    }),
  );
  assert.deepEqual(blind, [
    '10.20.0.0/16:22 is passed unread: methods, paths and bodies are not seen.',
    '[2001:db8::/32]:22 is passed unread: methods, paths and bodies are not seen.',
    '8.8.8.8/32:443 is passed unread: methods, paths and bodies are not seen.',
  ]);
});

const special: readonly (readonly [string, RuleLists, readonly RegExp[]])[] = [
  ['nothing', { allow: [{ domains: ['a.b'] }, { cidrs: ['8.8.8.8/32', '0.0.0.0/0'] }] }, []],
  ['private', { allow: [{ domains: ['a.b'], private: true }] }, [/names may resolve into private/]],
  [
    'private by the file',
    { private: true, allow: [{ domains: ['a.b'] }] },
    [/names may resolve into private/],
  ],
  [
    'private for every name',
    { allow: [{ domains: ['*'], private: true }] },
    [/warning: every name/, /allows every name/],
  ],
  ['metadata', { allow: [{ cidrs: ['169.254.169.254/32'] }] }, [/169\.254\.169\.254\/32 \(cloud metadata\)/]],
  [
    'a private prefix',
    { allow: [{ domains: ['a.b'], cidrs: ['10.0.0.0/8'] }] },
    [/10\.0\.0\.0\/8 \(private/],
  ],
  ['tcp', { allow: [{ domains: ['a.b'], ...tcp22 }] }, [/opaque bytes/]],
  ['pushes', { allow: [{ repos: [{ host: 'a.b', owner: 'x', name: 'y' }], access: 'write' }] }, [/pushes/]],
];

for (const [name, lists, expected] of special) {
  test(`what is special: ${name}`, () => {
    const lines = describePolicy(policyOf(lists)).special;
    assert.equal(lines.length, expected.length, lines.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(lines[index] ?? '', pattern);
  });
}
