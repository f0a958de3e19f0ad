import { parseHost } from '../target/host.ts';
import type { MappingNode, YamlNode } from './document.ts';
import type { Faults, Read } from './faults.ts';
import {
  type Field,
  itemsOf,
  kindOf,
  readBoolean,
  readChoice,
  readFields,
  readText,
  readTexts,
  readWhole,
} from './mapping.ts';
import { readDomain, readPrefix } from './rule-domain.ts';
import { readHeaderName, readSecret, type SecretSources } from './rule-inject.ts';
import {
  readMethod,
  readPackage,
  readPath,
  readPort,
  readRate,
  readRepo,
  readSize,
  readUpgrade,
} from './rule-request.ts';
import type { Injection, Limits, PortRange, RuleSpec } from './types.ts';

/** A RuleSpec under construction. */
export type Draft = { -readonly [Key in keyof RuleSpec]: RuleSpec[Key] };

interface Context {
  readonly draft: Draft;
  readonly faults: Faults;
  readonly secrets: SecretSources;
}

/** The keys of a rule, each with what reads its value into the draft. */
const READERS: Readonly<Record<string, (node: YamlNode, context: Context) => void>> = {
  domain: (node, { draft, faults }) => {
    draft.domains = readEach(node, 'a host name', readDomain, faults);
  },
  cidr: (node, { draft, faults }) => {
    draft.cidrs = readEach(node, 'a prefix of addresses', readPrefix, faults);
  },
  port: (node, { draft, faults }) => {
    draft.ports = readPorts(node, faults);
  },
  protocol: (node, { draft, faults }) => {
    set(draft, 'protocol', readChoice(node, ['http', 'https', 'tcp'], faults));
  },
  methods: (node, { draft, faults }) => {
    draft.methods = readEach(node, 'an HTTP method', readMethod, faults);
  },
  path: (node, { draft, faults }) => {
    draft.paths = readEach(node, 'a path', readPath, faults);
  },
  repo: (node, { draft, faults }) => {
    draft.repos = readRepos(node, faults);
  },
  access: (node, { draft, faults }) => {
    set(draft, 'access', readChoice(node, ['read', 'write'], faults));
  },
  registry: (node, { draft, faults }) => {
    draft.registries = readTexts(node, 'the name of a registry', faults).map(({ text }) => text);
  },
  packages: (node, { draft, faults }) => {
    draft.packages = readEach(node, 'a package name', readPackage, faults);
  },
  preset: (node, { draft, faults }) => {
    draft.presets = readTexts(node, 'the name of a preset', faults).map(({ text }) => text);
  },
  private: (node, { draft, faults }) => {
    set(draft, 'private', readBoolean(node, faults));
  },
  inspect: (node, { draft, faults }) => {
    set(draft, 'inspect', readChoice(node, ['always', 'auto', 'never'], faults));
  },
  upgrade: (node, { draft, faults }) => {
    draft.upgrade = readEach(node, 'a protocol name', readUpgrade, faults);
  },
  limits: (node, { draft, faults }) => {
    set(draft, 'limits', readLimits(node, faults));
  },
  inject: (node, { draft, faults, secrets }) => {
    set(draft, 'inject', readInjection(node, faults, secrets));
  },
  reason: (node, { draft, faults }) => {
    set(draft, 'reason', readText(node, 'a sentence', faults)?.text);
  },
};

export const ruleKeys: readonly string[] = Object.keys(READERS);

/**
 * Reads a rule that is a mapping. A key whose value is faulty stays in the draft where it can (an empty list), so that
 * it does not count as left out. `extra` are keys that are allowed beside and read by the caller.
 */
export function readRuleMapping(
  node: MappingNode,
  faults: Faults,
  secrets: SecretSources,
  extra: readonly string[] = [],
): { readonly draft: Draft; readonly fields: ReadonlyMap<string, Field> } {
  const draft: Draft = {};
  const fields = readFields(node, [...ruleKeys, ...extra], 'a rule', faults);
  for (const [key, field] of fields) READERS[key]?.(field.value, { draft, faults, secrets });
  return { draft, fields };
}

function set<Key extends keyof Draft>(draft: Draft, key: Key, value: Draft[Key] | undefined): void {
  if (value !== undefined) draft[key] = value;
}

function readEach<T>(
  node: YamlNode,
  expected: string,
  read: (text: string) => Read<T>,
  faults: Faults,
): readonly T[] {
  return readTexts(node, expected, faults).flatMap((item) => faults.take(item.at, read(item.text)) ?? []);
}

function readPorts(node: YamlNode, faults: Faults): readonly PortRange[] | 'any' {
  const ranges: PortRange[] = [];
  for (const item of itemsOf(node, 'a port, a range like 8000-8999, or any', faults)) {
    const number = item.kind === 'scalar' && item.type === 'number' && Number.isInteger(item.data);
    const text =
      number && item.kind === 'scalar'
        ? { at: item.at, text: String(item.data) }
        : readText(item, 'a port', faults);
    const port = text === undefined ? undefined : faults.take(text.at, readPort(text.text));
    if (port === 'any') {
      if (node.kind === 'sequence' && node.items.length > 1)
        faults.add(item.at, '"any" makes the other ports of the list pointless. Write "port: any" alone.');
      return port;
    }
    if (port !== undefined) ranges.push(port);
  }
  return ranges;
}

function readRepos(node: YamlNode, faults: Faults): NonNullable<RuleSpec['repos']> {
  return readTexts(node, 'HOST/OWNER/NAME', faults).flatMap(({ at, text }) => {
    const parts = faults.take(at, readRepo(text));
    if (parts === undefined) return [];
    const [written, owner, name] = parts;
    const host = parseHost(written);
    if (host.ok && host.value.hostKind === 'name') return [{ host: host.value.host, owner, name }];
    faults.add(
      at,
      `the host of this repository is no name. Expected HOST/OWNER/NAME, such as github.com/coder/coder.`,
    );
    return [];
  });
}

function asMapping(node: YamlNode, expected: string, faults: Faults): MappingNode | undefined {
  if (node.kind === 'mapping' && node.entries.length > 0) return node;
  faults.add(node.at, `found ${kindOf(node)}. Expected ${expected}.`);
  return undefined;
}

function readLimits(node: YamlNode, faults: Faults): Limits | undefined {
  const mapping = asMapping(node, 'a mapping such as { requests: 60/min, request_body: 1MiB }', faults);
  if (mapping === undefined) return undefined;
  const fields = readFields(
    mapping,
    ['requests', 'concurrent', 'request_body', 'response_body'],
    'limits',
    faults,
  );
  const limits: { -readonly [Key in keyof Limits]: Limits[Key] } = {};
  for (const [key, { value }] of fields) {
    if (key === 'concurrent') {
      const concurrent = readWhole(value, 1, 1_000_000, faults);
      if (concurrent !== undefined) limits.concurrent = concurrent;
    } else if (key === 'requests') {
      const text = readText(value, 'a rate such as 60/min', faults);
      const rate = text === undefined ? undefined : faults.take(text.at, readRate(text.text));
      if (rate !== undefined) limits.requests = rate;
    } else {
      const size = readByteSize(value, faults);
      if (size !== undefined) limits[key === 'request_body' ? 'requestBody' : 'responseBody'] = size;
    }
  }
  return limits;
}

function readByteSize(node: YamlNode, faults: Faults): number | undefined {
  if (node.kind === 'scalar' && node.type === 'number') return readWhole(node, 1, 2 ** 50, faults);
  const text = readText(node, 'a size such as 1MiB', faults);
  return text === undefined ? undefined : faults.take(text.at, readSize(text.text));
}

function readInjection(node: YamlNode, faults: Faults, secrets: SecretSources): Injection | undefined {
  const mapping = asMapping(node, 'a mapping { header: NAME, value: TEXT }', faults);
  if (mapping === undefined) return undefined;
  const fields = readFields(mapping, ['header', 'value'], 'inject', faults);
  for (const key of ['header', 'value']) {
    if (!fields.has(key))
      faults.add(mapping.at, `inject lacks "${key}". Expected { header: NAME, value: TEXT }.`);
  }
  const [header, value] = ['header', 'value'].map((key) => {
    const field = fields.get(key);
    const text = field && readText(field.value, 'a text', faults);
    if (text === undefined) return undefined;
    return faults.take(
      text.at,
      key === 'header' ? readHeaderName(text.text) : readSecret(text.text, secrets),
    );
  });
  return header !== undefined && value !== undefined ? { header, value } : undefined;
}
