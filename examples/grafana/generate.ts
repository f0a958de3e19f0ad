/**
 * Writes the dashboards of this directory as JSON, as Grafana reads them.
 *
 *   node examples/grafana/generate.ts
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fleetDashboard } from './dashboards/fleet.ts';
import { workspaceDashboard } from './dashboards/workspace/dashboard.ts';

const root = join(import.meta.dirname, '../..');
/** Where the JSON lies, and where the provisioning file makes Grafana look. */
export const jsonDirectory = join(import.meta.dirname, 'json');

/** The dashboards by file name, as they are to be committed: formatted like every other JSON file here. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  const dashboards = [fleetDashboard(), workspaceDashboard()].map((builder) => builder.build());
  return new Map(
    dashboards.map((dashboard) => [`${dashboard.uid}.json`, formatted(JSON.stringify(dashboard, plain))]),
  );
}

/** The SDK hides each link and annotation in the menu of the controls; they belong where they are seen. */
function plain(key: string, value: unknown): unknown {
  return key === 'placement' && value === 'inControlsMenu' ? undefined : value;
}

function formatted(json: string): string {
  const biome = join(root, 'node_modules/.bin/biome');
  const result = spawnSync(biome, ['format', '--stdin-file-path=dashboard.json'], {
    cwd: root,
    input: json,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return result.stdout;
  throw new Error(`biome cannot format the dashboard: ${result.error?.message ?? result.stderr}`);
}

if (import.meta.main) {
  mkdirSync(jsonDirectory, { recursive: true });
  for (const [name, json] of dashboardFiles()) {
    writeFileSync(join(jsonDirectory, name), json);
    process.stderr.write(`wrote ${join(jsonDirectory, name)}\n`);
  }
}
