import type { MappingNode, ScalarNode, YamlNode } from './document.ts';
import { didYouMean, type Faults, type Place, quoted } from './faults.ts';

/** One entry of a mapping whose keys are known. */
export interface Field {
  readonly keyAt: Place;
  readonly value: YamlNode;
}

/** Words that people write for the keys of a rule, from other tools and from the plural. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  host: 'domain',
  hosts: 'domain',
  hostname: 'domain',
  url: 'domain',
  ip: 'cidr',
  rules: 'allow',
  allowed_domains: 'allow',
  denylist: 'deny',
  block: 'deny',
};

/** The entries of a mapping by key. Unknown and repeated keys are faults, as is anything but text as a key. */
export function readFields(
  node: MappingNode,
  known: readonly string[],
  what: string,
  faults: Faults,
): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const { key, value } of node.entries) {
    if (key.kind !== 'scalar') {
      faults.add(key.at, `found ${kindOf(key)} as a key of ${what}. Expected one of: ${known.join(', ')}.`);
      continue;
    }
    const first = fields.get(key.text);
    if (first !== undefined) {
      const { line } = first.keyAt;
      faults.add(
        key.at,
        `the key ${quoted(key.text)} was given in line ${line} already. Keep one; several values go in a list.`,
      );
    } else if (known.includes(key.text)) fields.set(key.text, { keyAt: key.at, value });
    else {
      const word = OTHER_WORDS[key.text];
      const hint =
        word !== undefined && known.includes(word) ? ` Did you mean "${word}"?` : didYouMean(key.text, known);
      faults.add(
        key.at,
        `the key ${quoted(key.text)} is unknown in ${what}.${hint} Known keys: ${known.join(', ')}.`,
      );
    }
  }
  return fields;
}

/** What a node is, for `found ...`. */
export function kindOf(node: YamlNode): string {
  if (node.kind === 'sequence') return node.items.length === 0 ? 'an empty list' : 'a list';
  if (node.kind === 'mapping') return node.entries.length === 0 ? 'an empty mapping' : 'a mapping';
  switch (node.type) {
    case 'null':
      return 'nothing';
    case 'text':
      return node.text === '' ? 'an empty text' : `the text ${quoted(node.text)}`;
    default:
      return `the ${node.type} ${quoted(node.text).slice(1, -1)}`;
  }
}

/** A text that is not empty, or undefined after a fault. */
export function readText(node: YamlNode, expected: string, faults: Faults): ScalarNode | undefined {
  if (node.kind === 'scalar' && node.type === 'text' && node.text.trim() !== '') return node;
  const quotes = node.kind === 'scalar' && (node.type === 'number' || node.type === 'boolean');
  faults.add(
    node.at,
    `found ${kindOf(node)}. Expected ${expected}${quotes ? ' (in quotes, where it looks like something else)' : ''}.`,
  );
  return undefined;
}

/** One node or a list of them; an empty list is a fault. */
export function itemsOf(node: YamlNode, expected: string, faults: Faults): readonly YamlNode[] {
  if (node.kind !== 'sequence') return [node];
  if (node.items.length === 0)
    faults.add(node.at, `found an empty list. Expected ${expected}, or no such key.`);
  return node.items;
}

/** One text or a list of texts, each not empty. */
export function readTexts(node: YamlNode, expected: string, faults: Faults): readonly ScalarNode[] {
  return itemsOf(node, `${expected} or a list of such`, faults).flatMap(
    (item) => readText(item, expected, faults) ?? [],
  );
}

export function readBoolean(node: YamlNode, faults: Faults): boolean | undefined {
  if (node.kind === 'scalar' && typeof node.data === 'boolean') return node.data;
  faults.add(node.at, `found ${kindOf(node)}. Expected true or false.`);
  return undefined;
}

/** A whole number within bounds, both included. */
export function readWhole(node: YamlNode, least: number, most: number, faults: Faults): number | undefined {
  if (node.kind === 'scalar' && typeof node.data === 'number') {
    if (Number.isInteger(node.data) && node.data >= least && node.data <= most) return node.data;
  }
  faults.add(node.at, `found ${kindOf(node)}. Expected a whole number from ${least} to ${most}.`);
  return undefined;
}

/** One word of a fixed few. */
export function readChoice<T extends string>(
  node: YamlNode,
  choices: readonly T[],
  faults: Faults,
): T | undefined {
  const found = node.kind === 'scalar' && node.type === 'text' ? node.text : undefined;
  const choice = choices.find((name) => name === found);
  if (choice !== undefined) return choice;
  const hint = found === undefined ? '' : didYouMean(found, choices);
  faults.add(node.at, `found ${kindOf(node)}. Expected one of: ${choices.join(', ')}.${hint}`);
  return undefined;
}
