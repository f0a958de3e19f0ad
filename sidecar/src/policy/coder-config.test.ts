import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadPolicy } from './load.ts';

/** A config.yaml as Coder's registry module writes it: about 200 rules in groups with comments. */
function coderConfig(): string {
  const lines = [
    '# Configuration of the agent firewall',
    'allowlist:',
    '  # The deployment itself',
    '  - "domain=dev.coder.example"',
  ];
  for (let group = 0; group < 20; group += 1) {
    lines.push('', `  # Group ${group}`);
    for (let item = 0; item < 10; item += 1) {
      const host = `host-${item}.group-${group}.example`;
      const forms = [
        `- domain=${host}`,
        `- "domain=${host}"`,
        `- 'domain=*.${host}' # trailing`,
        `- method=GET,HEAD domain=${host}`,
        `- "method=POST domain=${host} path=/api/*,/x"`,
      ];
      lines.push(`  ${forms[item % forms.length]}`);
    }
  }
  lines.push(
    '  - domain=root.example path=/',
    '',
    'jail_type: landjail',
    'proxy_port: 8087',
    'log_level: WARN',
  );
  lines.push(
    'log_dir: /tmp/boundary_logs',
    'pprof_enabled: false',
    'pprof_port: 6060',
    'use_real_dns: false',
  );
  lines.push('no_user_namespace: true', 'disable_audit_logs: false', 'session_correlation_enabled: true', '');
  return lines.join('\n');
}

describe("a config.yaml of Coder's Agent Firewall", () => {
  const text = coderConfig();
  const result = loadPolicy({ sources: [{ file: 'config.yaml', text }], env: {} });

  it('loads unchanged', () => {
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(result.policy.rules.length, 202);
    const lines = text.split('\n');
    for (const { line, spec } of result.policy.rules) {
      assert.ok(lines[line - 1]?.includes(`domain=${spec.domains?.[0]}`), `line ${line}`);
    }
    const target = {
      kind: 'tunnel',
      protocol: 'tls',
      host: 'dev.coder.example',
      hostKind: 'name',
      port: 443,
    } as const;
    assert.equal(result.policy.decide(target).rule?.label, 'config.yaml:4');
    assert.equal(result.policy.decide({ ...target, port: 8443 }).allowed, false);
  });

  it('hands its settings on', () => {
    assert.ok(result.ok);
    assert.deepEqual(result.settings, { proxyPort: 8087, logLevel: 'warn', logDir: '/tmp/boundary_logs' });
  });

  it('gets one warning that lists the lines where it is read more strictly', () => {
    assert.ok(result.ok);
    assert.equal(result.warnings.length, 1);
    const root = text.split('\n').findIndex((line) => line.includes('root.example')) + 1;
    const message = result.warnings[0]?.message ?? '';
    assert.ok(message.includes(`root page alone, not every path (line ${root};`), message);
    assert.match(message, /ports 80 and 443 alone .*\(line 4, 7-16, 19-28, /);
  });

  it('is refused for what would open more than it says', () => {
    const bad =
      'allowlist:\n  - ""\n  - domain=a.org domain=b.org\n  - domain=\n  - path=/x method=\n  - host=a.org\n';
    const refused = loadPolicy({ sources: [{ file: 'c', text: bad }] });
    assert.ok(!refused.ok);
    assert.deepEqual(
      refused.faults.map(({ line }) => line),
      [2, 3, 4, 5, 6],
    );
  });

  it('does not warn where nothing is stricter', () => {
    const own = loadPolicy({
      sources: [{ file: 'p', text: 'allow: [domain=x.org, x.org/]' }],
      allow: ['domain=x.org'],
    });
    assert.ok(own.ok);
    assert.deepEqual(own.warnings, []);
  });
});
