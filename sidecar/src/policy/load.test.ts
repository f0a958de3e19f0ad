import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type LoadInput, loadPolicy } from './load.ts';
import type { RuleSpec } from './types.ts';

type Options = Omit<LoadInput, 'sources'>;

function load(text: string, options: Options = {}) {
  return loadPolicy({ sources: [{ file: 'p.yaml', text }], env: {}, ...options });
}

function rulesOf(text: string, options: Options = {}) {
  const result = load(text, options);
  assert.ok(result.ok, JSON.stringify(result));
  return result.policy.rules;
}

function specOf(text: string, options: Options = {}): RuleSpec | undefined {
  return rulesOf(text, options)[0]?.spec;
}

/** `LINE:COLUMN` and message of each fault. */
function faultsOf(text: string, options: Options = {}): [place: string, message: string][] {
  const result = load(text, options);
  assert.ok(!result.ok, `loaded: ${text}`);
  return result.faults.map(({ line, column, message }) => [`${line}:${column}`, message]);
}

const EXAMPLE = `version: 1               # optional
mode: enforce
inspect: always
private: false
audit: { on_failure: continue }

allow:
  - domain: github.com
    path: /api/issues/*
  - domain: github.com
    methods: [GET, HEAD]
  - domain: ["*.pypi.org", pypi.org]
  - repo: github.com/coder/*
  - registry: npm
    packages: ["@coder/*", left-pad]
  - preset: anthropic
  - cidr: 10.20.0.0/16
    port: 5432
    protocol: tcp
  - domain: gitlab.corp.example
    port: 22
    protocol: tcp
    private: true
  - domain: api.github.com
    inject: { header: Authorization, value: "Bearer \${env:GITHUB_TOKEN}" }
    limits: { requests: 60/min, request_body: 1MiB }

deny:
  - domain: github.com
    path: /settings/*
    reason: account settings are for people
  - methods: [DELETE]

files:    { read: [/usr, /etc], write: [~/project, /tmp], deny: [~/.ssh, ~/.aws] }
commands: { deny: [ssh, scp, nc, docker] }
`;

describe('a policy that loads', () => {
  it('has every rule of the file with its place', () => {
    const result = load(EXAMPLE, { env: { GITHUB_TOKEN: 'secret' } });
    assert.ok(result.ok, JSON.stringify(result));
    const { policy } = result;
    assert.deepEqual(policy.confines, ['files', 'commands']);
    assert.deepEqual(policy.files, ['p.yaml']);
    assert.deepEqual(result.warnings, []);
    const own = policy.rules.filter(({ spec }) => spec.presets === undefined);
    assert.deepEqual(
      own.map(({ label, column, effect }) => `${label}:${column} ${effect}`),
      [8, 10, 12, 13, 14, 17, 20, 24]
        .map((line) => `p.yaml:${line}:5 allow`)
        .concat('p.yaml:29:5 deny', 'p.yaml:32:5 deny'),
    );
    assert.deepEqual(own[7]?.spec, {
      domains: ['api.github.com'],
      inject: { header: 'Authorization', value: 'Bearer secret' },
      limits: { requests: { count: 60, perSeconds: 60 }, requestBody: 1024 * 1024 },
    });
    assert.deepEqual(
      policy.rules.map(({ id }) => id),
      policy.rules.map((_, index) => index),
    );
    const preset = policy.rules.find(({ spec }) => spec.presets !== undefined);
    assert.equal(preset?.label, 'p.yaml:16 (preset anthropic)');
  });

  for (const text of ['', '\n', '# nothing\n', '---\n', '\ufeff', '\ufeff# x', '{}', '~']) {
    it(`denies everything where it says nothing: ${JSON.stringify(text)}`, () => {
      const result = load(text);
      assert.ok(result.ok);
      const target = { kind: 'tunnel', protocol: 'tls', host: 'x.org', hostKind: 'name', port: 443 } as const;
      assert.equal(result.policy.decide(target).allowed, false);
    });
  }

  it('keeps places with a byte order mark and every kind of line break', () => {
    const [first, second] = rulesOf('\ufeffallow:\r\n  - domain: a.org\r\n  - domain: b.org\r\n');
    assert.deepEqual([first?.line, first?.column, second?.line], [2, 5, 3]);
    assert.deepEqual(rulesOf('allow:\r  - domain: a.org\r')[0]?.line, 2);
    assert.deepEqual(faultsOf('\ufeffalow: 1')[0]?.[0], '1:1');
  });

  const specs: [text: string, spec: RuleSpec][] = [
    ['{ domain: GitHub.COM. }', { domains: ['github.com'] }],
    ['{ domain: bücher.example }', { domains: ['xn--bcher-kva.example'] }],
    ['{ domain: "*.BÜCHER.example" }', { domains: ['*.xn--bcher-kva.example'] }],
    ['{ domain: a.*.b.org }', { domains: ['a.*.b.org'] }],
    ['{ domain: x.org, path: "/a%2fb/%41/é/*" }', { domains: ['x.org'], paths: ['/a%2Fb/A/%C3%A9/*'] }],
    ['{ domain: x.org, methods: get }', { domains: ['x.org'], methods: ['GET'] }],
    [
      '{ domain: x.org, port: [22, 8000-8999, "9"] }',
      {
        domains: ['x.org'],
        ports: [
          { from: 22, to: 22 },
          { from: 8000, to: 8999 },
          { from: 9, to: 9 },
        ],
      },
    ],
    ['{ domain: x.org, port: any }', { domains: ['x.org'], ports: 'any' }],
    ['{ cidr: [10.0.0.1, "2001:db8::/32"] }', { cidrs: ['10.0.0.1', '2001:db8::/32'] }],
    [
      '{ repo: GitHub.com/Coder/*, access: write }',
      { repos: [{ host: 'github.com', owner: 'Coder', name: '*' }], access: 'write' },
    ],
    ['{ domain: x.org, upgrade: DERP }', { domains: ['x.org'], upgrade: ['derp'] }],
    [
      '{ domain: x.org, limits: { requests: 5/h, concurrent: 3, response_body: 2GB } }',
      {
        domains: ['x.org'],
        limits: { requests: { count: 5, perSeconds: 3600 }, concurrent: 3, responseBody: 2e9 },
      },
    ],
    ['"GET x.org/a"', { methods: ['GET'], domains: ['x.org'], paths: ['/a'] }],
  ];
  for (const [text, spec] of specs) {
    it(`reads ${text}`, () => assert.deepEqual(specOf(`allow: [${text}]`), spec));
  }

  it('knows an alias from a bomb', () => {
    const [rule] = rulesOf(
      'allow:\n  - domain: &hosts [a.org, b.org]\ndeny:\n  - { domain: *hosts , methods: PUT }\n',
    );
    assert.deepEqual(rule?.spec.domains, ['a.org', 'b.org']);
  });

  it('adds the rules of a command line, and lets overrides beat the file', () => {
    const result = load('mode: enforce', {
      allow: ['x.org'],
      deny: ['y.org', 'z.org'],
      overrides: { mode: 'audit', inspect: 'auto' },
    });
    assert.ok(result.ok);
    assert.deepEqual(
      result.policy.rules.map(({ label, effect }) => `${label} ${effect}`),
      ['--allow:1 allow', '--deny:1 deny', '--deny:2 deny'],
    );
    assert.deepEqual([result.policy.mode, result.policy.inspect], ['audit', 'auto']);
  });

  it('has a hash that changes with any source', () => {
    const hash = (text: string, options: Options = {}) => {
      const result = load(text, options);
      return result.ok ? result.policy.hash : '';
    };
    assert.match(hash(''), /^[0-9a-f]{64}$/);
    assert.equal(hash('mode: audit'), hash('mode: audit'));
    assert.equal(
      new Set([hash(''), hash(' '), hash('', { allow: ['x.org'] }), hash('', { deny: ['x.org'] })]).size,
      4,
    );
  });

  it('closes whom a denied preset is about for every method', () => {
    const rules = rulesOf('deny: [{ preset: npm, reason: no installs }]');
    assert.ok(rules.length > 0);
    for (const { spec } of rules)
      assert.deepEqual([spec.methods, spec.protocol, spec.reason], [undefined, undefined, 'no installs']);
  });
});

describe('secrets', () => {
  const text = (value: string) => `allow: [{ domain: x.org, inject: { header: A, value: "${value}" } }]`;
  const readFile = (path: string) => {
    if (path === '/run/token') return 'abc\n';
    if (path === '/home/me/two') return 'a\nb\n';
    throw Object.assign(new Error('no'), { code: 'ENOENT' });
  };
  const env = { TOKEN: 'x1', EMPTY: '', HOME: '/home/me' };

  it('come from variables and files', () => {
    const spec = specOf(text('T ${' + 'env:TOKEN} ${' + 'file:/run/token}'), { env, readFile });
    assert.equal(spec?.inject?.value, 'T x1 abc');
  });
  for (const [source, message] of [
    ['env:NOPE', /variable NOPE is not set/],
    ['env:EMPTY', /variable EMPTY is not set/],
    ['file:/nope', /"\/nope" cannot be read \(ENOENT\)/],
    ['file:~/two', /line break/],
    ['file:relative', /ABSOLUTE/],
    ['what', /cannot be filled in/],
  ] as const) {
    it(`refuse to load without ${source}`, () => {
      const [fault] = faultsOf(text(`\${${source}}`), { env, readFile });
      assert.match(fault?.[1] ?? '', message);
    });
  }
  it('are never part of a fault', () => {
    const faults = faultsOf(text('${' + 'file:~/two}'), { env, readFile });
    assert.doesNotMatch(JSON.stringify(faults), /a\\nb/);
  });
});

describe('a policy that does not load', () => {
  const table: [text: string, ...faults: [place: string, message: RegExp][]][] = [
    ['allow:\n  - domain: [github.com](http://github.com)\n', ['2:25', /Markdown link.*github\.com/]],
    ['allow:\n  - domain: "[github.com](http://github.com)"\n', ['2:13', /Markdown link/]],
    ['allow:\n  - [github.com](http://github.com)\n', ['2:17', /Markdown link/]],
    ['allow:\n  - domain: *.x.org\n', ['2:13', /quotes: write "\*\.x\.org"/]],
    ['allow:\n  - *.x.org\n', ['2:5', /quotes/]],
    ['allow:\n  - domain: *\n', ['2:14', /quotes: write "\*"/]],
    ['allow:\n\t- domain: x.org\n', ['2:1', /tab.*spaces/]],
    ['mode: audit\n---\nmode: audit\n', ['2:1', /second YAML document/]],
    ['mode: audit\nmode: enforce\n', ['2:1', /given in line 1 already/]],
    ['allow:\n  - domain: a.org\n    domain: b.org\n', ['3:5', /given in line 2 already/]],
    ['alow: []\n', ['1:1', /Did you mean "allow"/]],
    ['allow:\n  - domian: x.org\n', ['2:5', /Did you mean "domain"/]],
    ['allow:\n  - host: x.org\n', ['2:5', /Did you mean "domain"/]],
    ['allow:\n  - domain: x.org\n    method: GET\n', ['3:5', /Did you mean "methods"/]],
    ['mode: audti\n', ['1:7', /Did you mean "audit"/]],
    ['allow: x.org\n', ['1:8', /Expected a list of rules/]],
    ['allow:\n', ['1:6', /found nothing/]],
    ['allow:\n  - a.org\n  -\n  - b.org # -\n', ['3:4', /found nothing/]],
    ['allow:\n  - {domain: a.org}\n  # - x\n\n  -\n', ['5:4', /found nothing/]],
    ['allow:\n-\n-\n', ['2:2', /found nothing/], ['3:2', /found nothing/]],
    ['allow:\n  - domain:\n  -\n', ['2:11', /found nothing/], ['3:4', /found nothing/]],
    ['allow: [[x]]\n', ['1:9', /found a list.*Expected a rule/]],
    ['? [a]\n: b\n', ['1:3', /found a list as a key/]],
    ['mode: !!str audit\n', ['1:7', /YAML tag/]],
    ['mode: "audit\\n"\n', ['1:7', /U\+000A/]],
    ['allow: [{ domain: "a\\0b" }]\n', ['1:19', /U\+0000/]],
    ['mode: audit\0\n', ['1:12', /control character/]],
    ['mode: \ufffd\n', ['1:7', /UTF-8/]],
    ['mode: [a\n', ['2:1', /no YAML/]],
    ['mode: @x\n', ['1:7', /starts with "@" needs quotes/]],
    ['a: &a *a\n', ['1:7', /quotes/]],
    ['allow: [{ domain: https://x.org/y }]', ['1:19', /scheme.*domain: x\.org/]],
    ['allow: [{ domain: x.org/y }]', ['1:19', /path.*"path: \/y"/]],
    ['allow: [{ domain: "x.org:8443" }]', ['1:19', /port.*"port: 8443"/]],
    ['allow: [{ domain: api.* }]', ['1:19', /leaves its end open/]],
    ['allow: [{ domain: a*.com }]', ['1:19', /part of a label/]],
    ['allow: [{ domain: 10.0.0.1 }]', ['1:19', /cidr: 10\.0\.0\.1/]],
    ['allow: [{ domain: "::1" }]', ['1:19', /cidr: ::1/]],
    ['allow: [{ domain: "127.1" }]', ['1:19', /odd form/]],
    ['allow: [{ domain: 127.1 }]', ['1:19', /found the number 127\.1/]],
    ['allow: [{ domain: a..b }]', ['1:19', /no host name/]],
    ['allow: [{ domain: "a.org, b.org" }]', ['1:19', /go in a list/]],
    ['allow: [{ cidr: 10.0.0.1/8 }]', ['1:17', /bits set after the first 8/]],
    ['allow: [{ cidr: 10.0.0.0/33 }]', ['1:17', /0 to 32/]],
    ['allow: [{ cidr: 010.0.0.0/8 }]', ['1:17', /leading zeros/]],
    ['allow: [{ domain: x.org, path: /a/../b }]', ['1:32', /"\.\." segment/]],
    ['allow: [{ domain: x.org, path: /a/%2e%2e }]', ['1:32', /segment/]],
    ['allow: [{ domain: x.org, path: "/a?b" }]', ['1:32', /query/]],
    ['allow: [{ domain: x.org, path: /a* }]', ['1:32', /whole segment/]],
    ['allow: [{ domain: x.org, port: [80-70, any] }]', ['1:33', /no port/], ['1:40', /"any" makes/]],
    ['allow: [{ domain: x.org, protocol: tcp }]', ['1:26', /needs a port/]],
    ['allow: [{ domain: x.org, protocol: tcp, port: 1, path: /x }]', ['1:26', /unread/]],
    ['allow: [{ domain: x.org, packages: y }]', ['1:26', /needs "registry"/]],
    ['allow: [{ registry: debian, packages: y }]', ['1:29', /cannot narrow/]],
    ['allow: [{ registry: nmp }]', ['1:11', /Did you mean "npm"/]],
    ['allow: [{ preset: antropic }]', ['1:19', /Did you mean "anthropic"/]],
    ['allow: [{ preset: ../x }]', ['1:19', /unknown/]],
    ['allow: [{ preset: npm, port: 1 }]', ['1:24', /beside "preset"/]],
    ['allow: [{ methods: GET }]', ['1:9', /names nobody/]],
    ['allow: [{ cidr: 10.0.0.0/8, private: true }]', ['1:29', /"private" needs/]],
    ['allow: [{ domain: "*.x.org", inject: { header: A, value: b } }]', ['1:30', /exactly one host/]],
    ['allow: [{ domain: x.org, inject: { header: Host, value: b } }]', ['1:44', /cannot be injected/]],
    ['deny: [{ reason: x }]', ['1:8', /no condition/]],
    ['deny: [{ domain: x.org, limits: { concurrent: 1 } }]', ['1:25', /allow rules only/]],
    ['allow: ["GET", ""]', ['1:9', /method without a host/], ['1:16', /empty rule/]],
    ['files: { read: [a] }\ncommands: { deny: [] }\n', ['1:17', /relative/], ['2:19', /empty list/]],
  ];
  for (const [text, ...expected] of table) {
    it(`says why: ${JSON.stringify(text)}`, () => {
      const found = faultsOf(text);
      assert.deepEqual(
        found.map(([place]) => place),
        expected.map(([place]) => place),
        JSON.stringify(found),
      );
      for (const [index, [, message]] of expected.entries()) assert.match(found[index]?.[1] ?? '', message);
    });
  }

  it('tells all faults of all sources in one go, in their order', () => {
    const result = loadPolicy({
      sources: [
        { file: 'a.yaml', text: 'nope: 1\nallow: [{ domain: "a\\nb" }, { domian: x }]\nmode: x\n' },
        { file: 'b.yaml', text: 'allow: [' },
      ],
      allow: ['127.1'],
      deny: ['a\nb'],
      env: {},
    });
    assert.ok(!result.ok);
    assert.deepEqual(
      result.faults.map(({ file, line, column }) => `${file}:${line}:${column}`),
      ['a.yaml:1:1', 'a.yaml:2:19', 'a.yaml:2:31', 'a.yaml:3:7', 'b.yaml:1:9', '--allow:1:1', '--deny:1:2'],
    );
  });

  it('stops an anchor bomb early', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi']) {
      lines.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(', ')}]`);
    }
    const faults = faultsOf(lines.join('\n'));
    assert.equal(faults.length, 1);
    assert.match(faults[0]?.[1] ?? '', /anchor bomb/);
  });

  it('refuses what asks for the address of a name that the upstream proxy resolves', () => {
    const text =
      'private: true\nallow:\n  - { domain: x.org, cidr: 10.0.0.0/8 }\n  - { domain: x.org, private: true }\n  - cidr: 10.0.0.0/8\n';
    assert.deepEqual(
      faultsOf(text, { upstreamProxy: true }).map(([place]) => place),
      ['1:1', '3:22', '4:22'],
    );
    assert.ok(load(text).ok);
  });

  it('warns where a deny rule of addresses does not see what names resolve to', () => {
    const text = 'allow: [x.org]\ndeny:\n  - cidr: 10.0.0.0/8\n  - domain: y.org\n';
    const warnings = (upstreamProxy: boolean) => {
      const result = load(text, { upstreamProxy });
      return result.ok ? result.warnings.map(({ line }) => line) : null;
    };
    assert.deepEqual(warnings(false), []);
    assert.deepEqual(warnings(true), [3]);
  });
});

describe('whatever the text', () => {
  const fragment = fc.constantFrom(
    ...[
      'allow:',
      'deny:',
      'allowlist:',
      '\n',
      '\n  - ',
      '  ',
      'domain: ',
      'x.org',
      '*',
      '&a ',
      '*a',
      '"',
      "'",
      '[',
      ']',
    ],
    ...[
      '{',
      '}',
      ', ',
      ': ',
      '---\n',
      '\t',
      '|\n',
      '>\n',
      '!!str ',
      '#',
      '\0',
      '\\',
      '\\0',
      '\\x',
      '? ',
      '%YAML 1.2\n',
    ],
    ...[
      'preset: ',
      'npm',
      'port: ',
      '80',
      'inject: ',
      'path: ',
      '/a/*',
      '\r',
      '\ufeff',
      '\ud800',
      '1e999',
      '<<: ',
      '...',
    ],
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.array(fragment, { maxLength: 25 }).map((parts) => parts.join('')),
  );

  it('loading does not throw, and every fault has a place', () => {
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 2 }), (source, strings) => {
        const result = load(source, { allow: strings, deny: strings });
        if (result.ok) return;
        assert.ok(result.faults.length > 0);
        for (const { file, line, column, message } of result.faults) {
          assert.ok(file !== '' && line >= 1 && column >= 1, JSON.stringify(result.faults));
          assert.doesNotMatch(message, /\p{Cc}/u);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('survives nesting that is deeper than any policy', () => {
    assert.equal(faultsOf('['.repeat(20_000)).length, 1);
    assert.equal(faultsOf(`allow: ${'{a: '.repeat(5000)}`).length, 1);
  });
});
