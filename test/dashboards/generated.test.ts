import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { dashboardFiles, jsonDirectory } from '../../examples/grafana/generate.ts';
import { type Dashboard, panelsOf, queriesOf } from './grafana.ts';

const root = join(import.meta.dirname, '../..');
const files = dashboardFiles();
const dashboards = [...files.values()].map((json) => JSON.parse(json) as Dashboard);

describe('examples/grafana', () => {
  it('the committed JSON is what the generator makes', () => {
    assert.deepEqual(readdirSync(jsonDirectory).sort(), [...files.keys()].sort());
    for (const [name, json] of files) {
      assert.equal(
        readFileSync(join(jsonDirectory, name), 'utf8'),
        json,
        `${name} is stale; run node examples/grafana/generate.ts`,
      );
    }
  });

  for (const dashboard of dashboards) {
    describe(dashboard.title, () => {
      const panels = panelsOf(dashboard);
      const graphs = panels.filter(({ type }) => type !== 'row');

      it('every panel has a title of its own, a description, a unit, a query and the data source of the variable', () => {
        assert.equal(new Set(graphs.map(({ title }) => title)).size, graphs.length);
        for (const panel of graphs) {
          assert.ok((panel.description ?? '').length > 20, `${panel.title} has no description`);
          assert.ok(panel.fieldConfig?.defaults.unit, `${panel.title} has no unit`);
          assert.ok((panel.targets ?? []).length > 0, `${panel.title} asks nothing`);
          const sources = [panel.datasource, ...(panel.targets ?? []).map(({ datasource }) => datasource)];
          for (const source of sources) assert.equal(source?.uid, `\${datasource}`, panel.title);
        }
      });

      it('panels have ids of their own and do not overlap', () => {
        assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
        for (const [index, { title, gridPos: a }] of panels.entries()) {
          assert.ok(a.x >= 0 && a.x + a.w <= 24, `${title} is out of the grid`);
          for (const { title: other, gridPos: b } of panels.slice(index + 1)) {
            const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
            assert.ok(apart, `${title} overlaps ${other}`);
          }
        }
      });

      it('every metric is described in docs/metrics.md, and no query names a host', () => {
        const documented = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
        for (const { panel, expr } of queriesOf(dashboard)) {
          for (const [metric] of expr.matchAll(/\bboundary_\w+/g)) {
            const name = metric.replace(/_bucket$/, '');
            assert.ok(documented.includes(`\`${name}\``), `${panel}: ${name} is not documented`);
          }
          assert.doesNotMatch(expr, /\bhost\b/);
        }
      });

      it('its links lead to the dashboards and variables that are there', () => {
        const json = files.get(`${dashboard.uid}.json`) ?? '';
        const links = [...json.matchAll(/"url": "(\/d\/[^"]+)"/g)].map((match) => match[1] ?? '');
        assert.ok(links.length > 0);
        for (const link of links) {
          const { pathname, searchParams } = new URL(link.replaceAll(/\$\{[^}]*\}/g, 'x'), 'http://g');
          const target = dashboards.find(({ uid }) => pathname === `/d/${uid}`);
          assert.ok(target !== undefined, `${link} leads nowhere`);
          const names = target.templating.list.map(({ name }) => name);
          for (const key of searchParams.keys()) {
            if (key.startsWith('var-')) assert.ok(names.includes(key.slice(4)), `${link}: ${key}`);
          }
        }
      });
    });
  }

  it('the provisioning files load, and say where the README puts the JSON', () => {
    const read = (path: string): unknown =>
      load(readFileSync(join(root, 'examples/grafana/provisioning', path), 'utf8'));
    const { providers } = read('dashboards/boundary.yml') as {
      providers: { type: string; options: { path: string } }[];
    };
    const readme = readFileSync(join(root, 'examples/grafana/README.md'), 'utf8');
    assert.deepEqual(
      providers.map(({ type }) => type),
      ['file'],
    );
    assert.ok(readme.includes(providers[0]?.options.path ?? 'no path'));
    const { datasources } = read('datasources/boundary.yml') as {
      datasources: { type: string; jsonData: { timeInterval: string } }[];
    };
    const prometheus = load(readFileSync(join(root, 'examples/prometheus/prometheus.yml'), 'utf8')) as {
      global: { scrape_interval: string };
    };
    assert.equal(datasources[0]?.type, 'prometheus');
    assert.equal(datasources[0]?.jsonData.timeInterval, prometheus.global.scrape_interval);
  });
});
