import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { CORE_SCHEMA, dump, load } from 'js-yaml';
import { loadPolicy } from './load.ts';

const schema = JSON.parse(readFileSync(new URL('../../policy.schema.json', import.meta.url), 'utf8'));
const validate = new Ajv({ allowUnionTypes: true, strictTypes: false }).compile(schema);
const env = { TOKEN: 'secret' };

function loads(text: string): boolean {
  return loadPolicy({ sources: [{ file: 'p.yaml', text }], env }).ok;
}
function fits(text: string): boolean {
  return validate(text.trim() === '' ? null : load(text, { schema: CORE_SCHEMA }));
}

const GOOD = [
  '',
  'version: 1',
  '{ mode: audit, inspect: auto, private: true, audit: { on_failure: deny } }',
  'allow: [github.com, "GET https://x.org/*", domain=x.org]',
  'allow: [{ domain: x.org }, { domain: ["*.x.org", "a.*.b.org"], path: [/a/*, "*"], methods: [get, HEAD] }]',
  'allow: [{ domain: "*", port: any }, { cidr: 10.0.0.0/8, port: [1, 8000-8999], protocol: tcp }]',
  'allow: [{ repo: github.com/coder/*, access: write }, { registry: npm, packages: ["@coder/*", left-pad] }]',
  'allow: [{ preset: [npm, go], inspect: always, reason: builds }]',
  `allow: [{ domain: x.org, inject: { header: A, value: "\${env:TOKEN}" }, limits: { requests: 60/min, concurrent: 2, request_body: 1MiB, response_body: 5 } }]`,
  'allow: [{ domain: x.org, private: true, upgrade: [DERP] }]',
  'deny: [{ methods: DELETE }, { port: 25 }, { protocol: tcp, port: 22 }, evil.example]',
  'files: { read: [/usr], write: [~/a], deny: "~" }',
  'commands: { deny: [ssh, /usr/bin/nc] }',
  'allowlist: [domain=x.org]\njail_type: nsjail\nproxy_port: 0\nlog_level: WARN\nlog_dir: /x\nsession_correlation_enabled: true',
];

const BAD = [
  '- a',
  'text',
  'version: 2',
  'version: "1"',
  'mode: audti',
  'nope: 1',
  'private: "yes"',
  'audit: {}',
  'audit: { on_failure: stop }',
  'allow:',
  'allow: []',
  'allow: {}',
  'allow: [[]]',
  'allow: [{}]',
  'allow: [""]',
  'allow: ["  "]',
  'allow: [5]',
  'allow: [{ methods: GET }]',
  'allow: [{ domain: [] }]',
  'allow: [{ domain: "" }]',
  'allow: [{ domain: 5 }]',
  'allow: [{ domain: true }]',
  'allow: [{ domain: https://x.org }]',
  'allow: [{ domain: x.org/a }]',
  'allow: [{ domain: "x.org:80" }]',
  'allow: [{ domain: api.* }]',
  'allow: [{ domain: a*.com }]',
  'allow: [{ domain: "[github.com](http://github.com)" }]',
  'allow: [{ domain: "a\\nb" }]',
  'allow: [{ domain: x.org, path: a }]',
  'allow: [{ domain: x.org, path: "/a?b" }]',
  'allow: [{ domain: x.org, path: /a* }]',
  'allow: [{ domain: x.org, port: 0 }]',
  'allow: [{ domain: x.org, port: 65536 }]',
  'allow: [{ domain: x.org, port: 1.5 }]',
  'allow: [{ domain: x.org, port: http }]',
  'allow: [{ domain: x.org, protocol: udp }]',
  'allow: [{ domain: x.org, protocol: tcp }]',
  'allow: [{ domain: x.org, protocol: tcp, port: 1, limits: { concurrent: 1 } }]',
  'allow: [{ domain: x.org, methods: "G T" }]',
  'allow: [{ domain: x.org, packages: a }]',
  'allow: [{ domain: x.org, access: read }]',
  'allow: [{ repo: github.com/a }]',
  'allow: [{ repo: github.com/a/b, protocol: http }]',
  'allow: [{ repo: github.com/a/b, registry: npm }]',
  'allow: [{ registry: npm, packages: "a b" }]',
  'allow: [{ preset: npm, domain: x.org }]',
  'allow: [{ cidr: 10.0.0.0/8, private: true }]',
  'allow: [{ domain: x.org, private: 1 }]',
  'allow: [{ domain: x.org, inspect: maybe }]',
  'allow: [{ domain: x.org, limits: {} }]',
  'allow: [{ domain: x.org, limits: { requests: 60 } }]',
  'allow: [{ domain: x.org, limits: { requests: 0/s } }]',
  'allow: [{ domain: x.org, limits: { request_body: 1XB } }]',
  'allow: [{ domain: x.org, limits: { concurrent: 0 } }]',
  'allow: [{ domain: x.org, inject: { header: A } }]',
  'allow: [{ domain: x.org, inject: { header: "A B", value: x } }]',
  'allow: [{ cidr: 10.0.0.1, inject: { header: A, value: x } }]',
  'allow: [{ domain: x.org, reason: "" }]',
  'deny: [{ reason: x }]',
  'deny: [{ domain: x.org, private: true }]',
  'deny: [{ domain: x.org, limits: { concurrent: 1 } }]',
  'files: { read: [a] }',
  'files: { exec: [/a] }',
  'files: { read: [] }',
  'commands: { deny: ["ssh -v"] }',
  'proxy_port: 70000',
  'jail_type: other',
  'log_level: loud',
];

describe('the published schema and the loader', () => {
  for (const text of GOOD) {
    it(`take ${JSON.stringify(text)}`, () => {
      assert.ok(fits(text), JSON.stringify(validate.errors));
      assert.ok(loads(text), JSON.stringify(loadPolicy({ sources: [{ file: 'p', text }], env })));
    });
  }
  for (const text of BAD) {
    it(`refuse ${JSON.stringify(text)}`, () => {
      assert.equal(fits(text), false, 'the schema takes it');
      assert.equal(loads(text), false, 'the loader takes it');
    });
  }

  it('agree that what loads fits, over generated documents', () => {
    const value = fc.oneof(
      fc.constantFrom(
        ...['x.org', '*', '*.x.org', '/a/*', 'GET', '443', '10.0.0.0/8', 'npm', 'tcp', 'https', '1MiB'],
      ),
      fc.constantFrom('any', 'never', 'read', 'github.com/a/*', 'left-pad', '', ' ', 'a b', 'a\nb'),
      fc.constantFrom<unknown>(1, 443, 0, -1, 70000, 1.5, true, false, null),
    );
    const values = fc.oneof({ weight: 3, arbitrary: value }, fc.array(value, { maxLength: 3 }));
    const keys = Object.keys(schema.definitions.rule.properties);
    const rule = fc.oneof(
      value,
      fc.dictionary(fc.constantFrom(...keys, 'nope'), values, { maxKeys: 4 }),
      fc.record({ domain: fc.constantFrom('x.org', '*.x.org'), methods: values }),
    );
    const document = fc.dictionary(
      fc.constantFrom('allow', 'deny', 'allowlist', 'mode', 'version', 'private'),
      fc.oneof({ weight: 4, arbitrary: fc.array(rule, { maxLength: 3 }) }, value),
      { maxKeys: 3 },
    );
    let loaded = 0;
    fc.assert(
      fc.property(document, (data) => {
        const text = dump(data);
        if (!loads(text)) return;
        loaded += 1;
        assert.ok(fits(text), `${text}\n${JSON.stringify(validate.errors)}`);
      }),
      { numRuns: 2000 },
    );
    assert.ok(loaded > 20, `only ${loaded} documents loaded`);
  });
});
