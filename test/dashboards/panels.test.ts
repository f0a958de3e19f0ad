import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { jsonDirectory } from '../../examples/grafana/generate.ts';
import { type Fleet, startFleet } from './fleet-under-test.ts';
import { all, type Choice, type Dashboard, filledIn, type PanelQuery, queriesOf } from './grafana.ts';
import {
  type PrometheusUnderTest,
  type Series,
  scrapeMs,
  scraping,
  startPrometheus,
  until,
} from './prometheus-under-test.ts';

const time = { rangeSeconds: 300, intervalMs: scrapeMs, scrapeMs };

const read = (name: string): Dashboard =>
  JSON.parse(readFileSync(join(jsonDirectory, `boundary-${name}.json`), 'utf8')) as Dashboard;
const fleetView = read('fleet');
const workspaceView = read('workspace');
type Choices = Readonly<Record<string, Choice>>;
const everyone: Choices = { datasource: 'p', owner: all, workspace: all };
const alices: Choices = { datasource: 'p', owner: 'alice', workspace: 'dev' };

const saysSomething = (series: readonly Series[]): boolean =>
  series.some(({ values }) => values.some((value) => Number.isFinite(value) && value !== 0));

describe('dashboards over real sidecars', () => {
  const made = new AsyncDisposableStack();
  let fleet: Fleet;
  let prometheus: PrometheusUnderTest;

  before(async () => {
    fleet = made.use(await startFleet());
    // Before the first scrape: a table has to count it none the less.
    for (let count = 0; count < 3; count++) await fleet.denyBob();
    prometheus = made.use(await startPrometheus('prometheus.yml', scraping(fleet.targets)));
    made.use(fleet.traffic());
  });
  after(() => made.disposeAsync());

  /** What Grafana would show: the panel's query with the variables filled in. */
  function ask(dashboard: Dashboard, query: PanelQuery, choices: Choices): Promise<readonly Series[]> {
    const expr = filledIn(query.expr, dashboard, choices, time);
    return query.instant
      ? prometheus.query(expr)
      : prometheus.queryRange(expr, time.rangeSeconds, time.intervalMs);
  }

  /** The series of a panel's first query, once they are as expected. */
  function shows(
    panel: string,
    good: (series: readonly Series[]) => boolean,
    choices: Choices = everyone,
    dashboard = fleetView,
  ): Promise<readonly Series[]> {
    const query = queriesOf(dashboard).find((one) => one.panel === panel);
    if (query === undefined) throw new Error(`${dashboard.title} has no panel ${panel}`);
    return until(`${dashboard.title}: ${panel}`, () => ask(dashboard, query, choices), good);
  }

  const is = (value: number) => (series: readonly Series[]) =>
    series.length === 1 && series[0]?.values.at(-1) === value;

  it('while all is well, the numbers of what is wrong are there and say 0', async () => {
    const well: Choices = { datasource: 'p', owner: ['alice', 'bob'], workspace: all };
    await shows('Sidecars', is(2), well);
    await until('gate', () => prometheus.query('boundary_gate_connected == 1'), saysSomething);
    const panels = ['Not answering', 'Without their gate', 'Not enforcing', 'Doctor findings'];
    for (const panel of [...panels, 'Audit lines lost', 'Policies refused']) await shows(panel, is(0), well);
  });

  it('a rule is counted that denied before the first scrape, and never again', async () => {
    const rows = await shows('Top denying rules', (series) =>
      series.some(({ labels }) => labels.owner === 'bob'),
    );
    const bob = rows.filter(({ labels }) => labels.owner === 'bob');
    assert.deepEqual(bob, [
      {
        labels: { owner: 'bob', workspace: 'api', rule: `${fleet.bob.policyPath}:6` },
        values: [3],
      },
    ]);
  });

  it('a choice of owners and workspaces narrows every panel', async () => {
    const one: Choices = { datasource: 'p', owner: ['bob', 'carol'], workspace: ['ml.1'] };
    const rows = await shows('Workspaces', (series) => series.length > 0, one);
    assert.deepEqual(
      rows.map(({ labels }) => labels),
      [{ owner: 'carol', workspace: 'ml.1' }],
    );
  });

  it('the variables offer every owner and every workspace that answers', async () => {
    const values = (dashboard: Dashboard, name: string, choices: Choices) => {
      const variable = dashboard.templating.list.find((one) => one.name === name);
      const { query } = (variable?.query as { query: string } | undefined) ?? { query: '' };
      const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
      return prometheus.labelValues(label, filledIn(selector, dashboard, choices, time));
    };
    const four = (names: readonly string[]) => names.length === 4;
    for (const dashboard of [fleetView, workspaceView]) {
      const owners = await until('owners', () => values(dashboard, 'owner', {}), four);
      assert.deepEqual(owners, ['alice', 'bob', 'carol', 'dave']);
    }
    assert.deepEqual(await values(fleetView, 'workspace', { owner: all }), ['api', 'dev', 'ml.1']);
    assert.deepEqual(await values(fleetView, 'workspace', { owner: ['bob', 'alice'] }), ['api', 'dev']);
    assert.deepEqual(await values(workspaceView, 'workspace', { owner: 'carol' }), ['ml.1']);
  });

  it('in mode audit, what enforcing would deny is shown', async () => {
    const { code, stderr } = await fleet.alice.submit(`mode: audit\n${fleet.alicePolicy}`);
    assert.equal(code, 0, stderr);
    await shows('Mode', ([series]) => series?.labels.mode === 'audit', alices, workspaceView);
    await shows('What enforcing would deny', saysSomething, alices, workspaceView);
    await shows('Not enforcing', is(2));
    assert.equal((await fleet.alice.submit(fleet.alicePolicy)).code, 0);
    await shows('Not enforcing', is(1));
  });

  it('a refused policy is shown, and its alert fires', async () => {
    assert.equal((await fleet.alice.submit('allow:\n  - domain: "not a host"\n')).code, 2);
    writeFileSync(fleet.bob.policyPath, 'allow: 7\n');
    await shows('Policies refused', ([series]) => (series?.values.at(-1) ?? 0) >= 2);
    await fires('BoundaryReloadRefused', 'firing');
  });

  it('lost audit lines are shown, and their alert fires', async () => {
    const { alice } = fleet;
    // A full disk, for this process alone: its files grow no further.
    const size = statSync(join(alice.directory, 'audit.jsonl')).size;
    const limit = (value: string): void => {
      execFileSync('prlimit', ['--pid', String(alice.sidecar.process.pid), `--fsize=${value}:`]);
    };
    limit(String(size));
    // 8 MiB of lines wait for the disk before any is lost.
    const ended = await alice.run('curl', [
      '--silent',
      '--output',
      '/dev/null',
      `http://denied.test/[1-900]/${'a'.repeat(12_000)}`,
    ]);
    assert.equal(ended.code, 0, ended.stderr);
    await shows('Audit lines lost', saysSomething);
    await fires('BoundaryAuditDropped', 'firing');
    limit('unlimited');
  });

  it('a restart of the sidecar is counted, and what was counted before stays', async () => {
    const { alice } = fleet;
    await alice.sidecar.stop('SIGKILL');
    alice.sidecar = await alice.startSidecar();
    await shows('Restarts', ([series]) => (series?.values.at(-1) ?? 0) >= 1, alices, workspaceView);
    await shows('Audit lines lost', saysSomething, alices, workspaceView);
  });

  it('what the workspace says of itself is shown, and its alert waits its five minutes', async () => {
    const report = '{"findings":{"docker_socket":true,"capabilities":true,"trust_bundle":false}}';
    const json = 'content-type: application/json';
    const url = 'http://boundary.internal/v1/doctor';
    const { code, stderr } = await fleet.alice.run('curl', ['-sS', '--fail', '-H', json, '-d', report, url]);
    assert.equal(code, 0, stderr);
    await shows('Doctor findings', is(1));
    await shows('Doctor findings', is(2), alices, workspaceView);
    await fires('BoundaryDoctorFinding', 'pending');
  });

  it('a gate that is gone is shown, and its alert waits its minute', async () => {
    await shows('Without their gate', is(1));
    await fires('BoundaryGateNotConnected', 'pending');
    await fleet.alice.gate.stop('SIGKILL');
    await shows('Without their gate', is(2));
    await shows('Gate', is(0), alices, workspaceView);
    await fleet.alice.startGate();
    await shows('Gate', is(1), alices, workspaceView);
    await shows('Without their gate', is(1));
  });

  it('a sidecar that does not answer is shown, and its alert waits its minute', async () => {
    await shows('Not answering', is(1));
    await fires('BoundaryDown', 'pending');
  });

  async function fires(name: string, state: string): Promise<void> {
    const ruleOf = async () => (await prometheus.rules()).find((rule) => rule.name === name);
    await until(name, ruleOf, (rule) => rule?.state === state);
  }

  for (const [dashboard, choices] of [
    [fleetView, everyone],
    [workspaceView, alices],
  ] as const) {
    describe(`every query of ${dashboard.title} returns data`, { concurrency: 4 }, () => {
      for (const query of queriesOf(dashboard)) {
        it(`${query.panel}, ${query.refId}`, async () => {
          await until(query.expr, () => ask(dashboard, query, choices), saysSomething);
        });
      }
    });
  }

  it('policy loads and starts are marked', async () => {
    const { list = [] } = workspaceView.annotations;
    assert.equal(list.length, 2);
    for (const { name, expr } of list) {
      const query = filledIn(expr, workspaceView, alices, time);
      const [series] = await until(name, () => prometheus.queryRange(query, 300, 1000), saysSomething);
      const at = series?.values.at(-1) ?? 0;
      assert.ok(at <= Date.now() && at > Date.now() - time.rangeSeconds * 1000, `${name} at ${at}`);
    }
  });

  it('Prometheus evaluates every rule and alert without an error', async (context) => {
    context.diagnostic(
      execFileSync('prometheus', ['--version'], { encoding: 'utf8' }).split('\n', 1)[0] ?? '',
    );
    const rules = await until(
      'rules',
      () => prometheus.rules(),
      (found) => found.length >= 21 && found.every(({ health }) => health !== 'unknown'),
    );
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
  });
});
