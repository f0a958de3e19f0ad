import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDocument } from './document.ts';
import { didYouMean, Faults } from './faults.ts';
import { kindOf, readFields, readText } from './mapping.ts';
import { checkRule } from './rule-check.ts';
import { readRuleMapping } from './rule-mapping.ts';
import type { PolicyFault, RuleSpec } from './types.ts';

/** The presets that ship with the product; FORMAT.md there says what a file holds. */
export const shippedPresets: string = fileURLToPath(new URL('../../presets', import.meta.url));

/** The names of the presets in a directory, sorted. */
export function presetNames(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort();
}

export type PresetResult =
  | { readonly specs: readonly RuleSpec[] }
  /** No such preset, or its file is broken. */
  | { readonly fault: string }
  | { readonly faults: readonly PolicyFault[] };

/** Reads presets of one directory, each at most once. */
export class Presets {
  readonly #directory: string;
  readonly #read = new Map<string, PresetResult>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  get(name: string): PresetResult {
    const known = this.#read.get(name);
    if (known !== undefined) return known;
    const result = this.#load(name);
    this.#read.set(name, result);
    return result;
  }

  #load(name: string): PresetResult {
    let names: readonly string[];
    let text = '';
    try {
      names = presetNames(this.#directory);
      if (names.includes(name)) text = readFileSync(join(this.#directory, `${name}.yaml`), 'utf8');
    } catch (error) {
      return { fault: `the presets cannot be read: ${String(error)}. Install boundary again.` };
    }
    if (!names.includes(name)) {
      return {
        fault: `the preset ${JSON.stringify(name)} is unknown.${didYouMean(name, names)} Known: ${names.join(', ')}.`,
      };
    }
    const faults = new Faults(`preset:${name}`);
    const specs = readPreset(text, faults);
    return faults.list.length > 0 ? { faults: faults.list } : { specs };
  }
}

/** The rules of a preset's file. Nothing in it may read a secret or name another preset. */
export function readPreset(text: string, faults: Faults): readonly RuleSpec[] {
  const start = { line: 1, column: 1 };
  const document = readDocument(text, faults);
  if (document?.kind !== 'mapping') {
    faults.add(document?.at ?? start, 'expected a mapping with version, name, description and rules.');
    return [];
  }
  const fields = readFields(document, ['version', 'name', 'description', 'rules'], 'a preset', faults);
  const rules = fields.get('rules')?.value;
  if (rules?.kind !== 'sequence' || rules.items.length === 0) {
    faults.add(rules?.at ?? start, 'expected a list of rules.');
    return [];
  }
  const secrets = { env: {}, readFile: () => '' };
  return rules.items.flatMap((item) => {
    if (item.kind !== 'mapping') {
      faults.add(item.at, `found ${kindOf(item)}. Expected a rule.`);
      return [];
    }
    const extra = ['source', 'checked', 'unchecked'];
    const { draft, fields: given } = readRuleMapping(item, faults, secrets, extra);
    for (const key of ['source', 'checked']) {
      const field = given.get(key);
      if (field !== undefined) readText(field.value, key === 'source' ? 'a URL' : 'a date', faults);
    }
    if (!given.has('source')) faults.add(item.at, 'this rule cites no source.');
    if (given.has('checked') === given.has('unchecked')) {
      faults.add(item.at, 'expected either "checked: DATE" or "unchecked: true".');
    }
    const forbidden = draft.presets !== undefined || draft.inject !== undefined;
    if (forbidden) faults.add(item.at, 'a preset holds neither preset nor inject.');
    const placeOf = (key: string) => given.get(key)?.keyAt ?? item.at;
    checkRule(draft, { effect: 'allow', at: item.at, placeOf, upstreamProxy: false }, faults);
    return [draft];
  });
}
