import type { ScalarNode, YamlNode } from './document.ts';
import type { Faults, Place } from './faults.ts';
import { kindOf } from './mapping.ts';
import type { Presets } from './presets.ts';
import { checkRule } from './rule-check.ts';
import type { SecretSources } from './rule-inject.ts';
import { readRuleMapping } from './rule-mapping.ts';
import { readStringRule } from './string-rule.ts';
import type { Rule, RuleSpec } from './types.ts';

/** What reading rules needs beside their text. */
export interface RuleSources {
  readonly secrets: SecretSources;
  readonly presets: Presets;
  readonly upstreamProxy: boolean;
}

/** Collects the rules of all sources in their order. */
export class RuleList {
  readonly rules: Rule[] = [];
  /** Lines of `path=/`, by file: the root alone here, every path in Coder's firewall. */
  readonly rootPaths = new Map<string, number[]>();
  readonly #sources: RuleSources;

  constructor(sources: RuleSources) {
    this.#sources = sources;
  }

  /** One item of `allow:`, `deny:` or `allowlist:`. */
  addNode(node: YamlNode, effect: 'allow' | 'deny', faults: Faults): void {
    if (node.kind === 'scalar' && node.type === 'text') {
      this.addString(node.text, effect, node.at, faults, node);
      return;
    }
    if (node.kind !== 'mapping' || node.entries.length === 0) {
      faults.add(
        node.at,
        `found ${kindOf(node)}. Expected a rule: a mapping such as { domain: github.com }, or a text such as "GET github.com".`,
      );
      return;
    }
    const before = faults.list.length;
    const { draft, fields } = readRuleMapping(node, faults, this.#sources.secrets);
    // A rule that lacks something because a key was mistyped would be told off twice.
    if (fields.size < node.entries.length) return;
    const placeOf = (key: string) => fields.get(key)?.keyAt ?? node.at;
    const { upstreamProxy } = this.#sources;
    checkRule(draft, { effect, at: node.at, placeOf, upstreamProxy }, faults);
    const presetsAt = fields.get('preset')?.value.at ?? node.at;
    if (draft.presets !== undefined) this.#expand(draft, effect, node.at, presetsAt, faults);
    else if (faults.list.length === before) this.#push(draft, effect, node.at, faults.file);
  }

  /** A rule in one string. `node` is where it stands in a file; a string of a command line has none. */
  addString(text: string, effect: 'allow' | 'deny', at: Place, faults: Faults, node?: ScalarNode): void {
    const read = readStringRule(text, effect);
    if ('faults' in read) {
      // Inside quotes and blocks an offset of the text is none of the file.
      for (const { offset, message } of read.faults) {
        faults.add(node === undefined ? { line: at.line, column: offset + 1 } : at, message);
      }
      return;
    }
    if (read.rule.rootPath) {
      const lines = this.rootPaths.get(faults.file);
      if (lines === undefined) this.rootPaths.set(faults.file, [at.line]);
      else lines.push(at.line);
    }
    const before = faults.list.length;
    const { upstreamProxy } = this.#sources;
    checkRule(read.rule.draft, { effect, at, placeOf: () => at, upstreamProxy }, faults);
    if (faults.list.length === before) this.#push(read.rule.draft, effect, at, faults.file);
  }

  #expand(spec: RuleSpec, effect: 'allow' | 'deny', at: Place, presetsAt: Place, faults: Faults): void {
    const own = {
      ...(spec.inspect !== undefined && { inspect: spec.inspect }),
      ...(spec.reason !== undefined && { reason: spec.reason }),
    };
    for (const name of spec.presets ?? []) {
      const preset = this.#sources.presets.get(name);
      if ('fault' in preset) faults.add(presetsAt, preset.fault);
      else if ('faults' in preset) faults.list.push(...preset.faults);
      else {
        for (const item of preset.specs) {
          const rule = { ...(effect === 'deny' ? denyForm(item) : item), ...own, presets: [name] };
          this.#push(rule, effect, at, faults.file, ` (preset ${name})`);
        }
      }
    }
  }

  #push(spec: RuleSpec, effect: 'allow' | 'deny', { line, column }: Place, file: string, note = ''): void {
    const label = `${file}:${line}${note}`;
    this.rules.push({ id: this.rules.length, effect, spec, file, line, column, label });
  }
}

/** A preset allows as little as its users need; denied, whom it is about is closed for every method and protocol. */
function denyForm({ domains, cidrs, paths, repos, registries, packages }: RuleSpec): RuleSpec {
  return {
    ...(domains && { domains }),
    ...(cidrs && { cidrs }),
    ...(paths && { paths }),
    ...(repos && { repos }),
    ...(registries && { registries }),
    ...(packages && { packages }),
  };
}
