import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Faults } from './faults.ts';
import { Presets, presetNames, readPreset, shippedPresets } from './presets.ts';

describe('presets', () => {
  for (const name of presetNames(shippedPresets)) {
    it(`${name} reads`, () => {
      const preset = new Presets(shippedPresets).get(name);
      assert.ok('specs' in preset, JSON.stringify(preset));
      assert.ok(preset.specs.length > 0);
    });
  }

  it('are named when one is unknown', () => {
    const preset = new Presets(shippedPresets).get('githb');
    assert.match('fault' in preset ? preset.fault : '', /Did you mean "github"/);
  });

  const table: [text: string, message: RegExp][] = [
    ['', /expected a mapping/],
    ['rules: []', /list of rules/],
    ['rules: [{ domain: x.org, checked: 2026-01-01 }]', /cites no source/],
    ['rules: [{ domain: x.org, source: https://x.org }]', /either "checked/],
    [
      'rules: [{ domain: x.org, source: https://x.org, checked: 2026-01-01, unchecked: true }]',
      /either "checked/,
    ],
    ['rules: [{ preset: npm, source: https://x.org, unchecked: true }]', /neither preset nor inject/],
    ['rules: [{ path: /x, source: https://x.org, unchecked: true }]', /names nobody/],
  ];
  for (const [text, message] of table) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const faults = new Faults('preset:x');
      readPreset(text, faults);
      assert.match(faults.list.map((fault) => fault.message).join('\n'), message);
    });
  }
});
