import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadPolicy } from './load.ts';
import { fileKeys } from './policy-file.ts';
import { presetNames, shippedPresets } from './presets.ts';
import { registryNames } from './registry.ts';
import { ruleKeys } from './rule-mapping.ts';

const ROOT = join(import.meta.dirname, '../../..');
const reference = readFileSync(join(ROOT, 'docs/policy.md'), 'utf8');

function mustLoad(file: string, text: string): void {
  const result = loadPolicy({ sources: [{ file, text }], env: { GITHUB_TOKEN: 'x' } });
  assert.ok(result.ok, JSON.stringify(result));
}

describe('what people copy', () => {
  const directory = join(ROOT, 'examples/policies');
  for (const file of readdirSync(directory)) {
    it(`examples/policies/${file} loads`, () => mustLoad(file, readFileSync(join(directory, file), 'utf8')));
  }

  for (const [index, [, text = '']] of [...reference.matchAll(/```yaml\n(.*?)```/gs)].entries()) {
    it(`docs/policy.md, example ${index + 1} loads`, () => mustLoad('policy.md', text));
  }

  it('docs/policy.md lets every string of its table load', () => {
    const table = reference.split('## Rules in one string')[1]?.split('\n## ')[0] ?? '';
    const rows = table.split('\n').filter((line) => line.startsWith('| `'));
    const strings = rows.flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ''),
    );
    assert.ok(strings.length > 10);
    const result = loadPolicy({ sources: [], allow: strings });
    assert.ok(result.ok, JSON.stringify(result));
  });

  it('docs/policy.md names every key, preset and registry', () => {
    for (const name of [...ruleKeys, ...fileKeys, ...presetNames(shippedPresets), ...registryNames]) {
      assert.match(reference, new RegExp(`\\b${name}\\b`), name);
    }
  });
});
