import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { load } from 'js-yaml';
import { loadPolicy } from '../sidecar/src/policy/load.ts';

const DIRECTORY = join(import.meta.dirname, '../sidecar/presets');
const NAMES = [
  ...['anthropic', 'coder', 'crates', 'debian', 'dockerhub', 'ghcr', 'github', 'gitlab', 'go', 'jetbrains'],
  ...['npm', 'openai', 'pypi', 'ubuntu', 'vscode'],
];

interface PresetRule {
  readonly domain: string | readonly string[];
  readonly source: string;
  readonly checked?: string | Date;
  readonly unchecked?: boolean;
}

interface Preset {
  readonly version: number;
  readonly name: string;
  readonly description: string;
  readonly rules: readonly PresetRule[];
}

const presetOf = (name: string): Preset =>
  load(readFileSync(join(DIRECTORY, `${name}.yaml`), 'utf8')) as Preset;

/** A day in the past, however the YAML reader hands dates out. */
function isDay(value: string | Date | undefined): boolean {
  const text = value instanceof Date ? value.toISOString().slice(0, 10) : (value ?? '');
  return /^20\d\d-\d\d-\d\d$/.test(text) && Date.parse(text) <= Date.now();
}

describe('presets', () => {
  it('are these', () => {
    const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.yaml'));
    assert.deepEqual(files.map((name) => name.replace('.yaml', '')).sort(), NAMES);
  });

  for (const name of NAMES) {
    it(`${name}: every rule has a source, and a day of checking or a mark`, () => {
      const preset = presetOf(name);
      assert.equal(preset.name, name);
      assert.equal(preset.version, 1);
      assert.ok(preset.description.length > 10);
      assert.ok(preset.rules.length > 0);
      for (const rule of preset.rules) {
        const where = `${name}: ${String(rule.domain)}`;
        assert.match(rule.source, /^https:\/\//, where);
        assert.equal(
          isDay(rule.checked) !== (rule.unchecked === true),
          true,
          `${where}: checked or unchecked`,
        );
        for (const domain of [rule.domain].flat()) assert.notEqual(domain, '*', where);
      }
    });

    it(`${name}: loads, whatever is inspected by default`, () => {
      for (const inspect of ['always', 'auto'] as const) {
        const result = loadPolicy({
          sources: [{ file: 'policy.yaml', text: `inspect: ${inspect}\nallow:\n  - preset: ${name}\n` }],
        });
        assert.deepEqual(result.ok ? [] : result.faults, []);
      }
    });
  }
});
