import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Configuration, prometheusDirectory, shippedFile } from './prometheus-under-test.ts';

const files = (pattern: string): string[] => globSync(pattern, { cwd: prometheusDirectory }).sort();

function promtool(...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    cwd: prometheusDirectory,
    encoding: 'utf8',
  });
  return { status, output: `${stdout}${stderr}` };
}

interface RuleFile {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert?: string; readonly record?: string; readonly expr: string }[];
  }[];
}

function rulesOf(file: string): RuleFile['groups'][number]['rules'] {
  const { groups } = shippedFile<RuleFile>(file);
  return groups.flatMap(({ rules }) => rules);
}

describe('examples/prometheus', () => {
  it('promtool accepts the rules', (context) => {
    context.diagnostic(promtool('--version').output.split('\n', 1)[0] ?? '');
    const { status, output } = promtool('check', 'rules', 'rules.yml', 'alerts.yml');
    assert.equal(status, 0, output);
  });

  for (const file of files('prometheus*.yml')) {
    it(`promtool accepts ${file}`, () => {
      const { status, output } = promtool('check', 'config', file);
      assert.equal(status, 0, output);
    });
  }

  for (const file of files('tests/*.test.yml')) {
    it(`promtool test rules ${file}`, () => {
      const { status, output } = promtool('test', 'rules', file);
      assert.equal(status, 0, output);
    });
  }

  it('every alert is tested for firing and for not firing, and every recording rule for its value', () => {
    interface Tests {
      readonly tests: readonly {
        readonly alert_rule_test?: readonly { alertname: string; exp_alerts?: readonly unknown[] }[];
        readonly promql_expr_test?: readonly { expr: string }[];
      }[];
    }
    const tests = files('tests/*.test.yml').flatMap((file) => shippedFile<Tests>(file).tests);
    const checks = tests.flatMap((test) => test.alert_rule_test ?? []);
    const asked = tests.flatMap((test) => test.promql_expr_test ?? []).map(({ expr }) => expr);
    const alerts = rulesOf('alerts.yml').map(({ alert }) => alert ?? '');
    const records = rulesOf('rules.yml').map(({ record }) => record ?? '');
    assert.ok(alerts.length >= 14 && records.length >= 7);
    const fires = (name: string, does: boolean): boolean =>
      checks.some(({ alertname, exp_alerts = [] }) => alertname === name && exp_alerts.length > 0 === does);
    assert.deepEqual(
      alerts.filter((name) => !fires(name, true) || !fires(name, false)),
      [],
    );
    assert.deepEqual(
      records.filter((name) => !asked.some((expr) => expr.includes(name))),
      [],
    );
  });

  it('every discovery gives a workspace, an owner and an instance that outlives a restart', () => {
    for (const file of files('prometheus-docker*.yml')) {
      const { scrape_configs } = shippedFile<Configuration>(file);
      assert.deepEqual(
        scrape_configs.map(({ job_name }) => job_name),
        ['boundary'],
      );
      const labels = scrape_configs[0]?.relabel_configs?.map(({ target_label }) => target_label) ?? [];
      for (const label of ['workspace', 'owner', 'instance', '__address__']) {
        assert.ok(labels.includes(label), `${file} gives no ${label}`);
      }
    }
  });
});
