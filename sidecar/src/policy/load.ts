import { createHash } from 'node:crypto';
import { compilePolicy } from './compile.ts';
import { Faults } from './faults.ts';
import { type FileKeys, readPolicyFile } from './policy-file.ts';
import { Presets, shippedPresets } from './presets.ts';
import { readSecretFile } from './rule-inject.ts';
import { RuleList } from './rule-list.ts';
import type { Inspect, LoadResult, Mode, PolicyFault, PolicySource, Rule, Settings } from './types.ts';

export interface LoadInput {
  /** Policy files, already read. None at all, or empty ones, are a policy that denies everything. */
  readonly sources: readonly PolicySource[];
  /** Rules given as strings beside the files; positions call them `--allow` and `--deny`, one line each. */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** What beats the files. */
  readonly overrides?: { readonly mode?: Mode; readonly inspect?: Inspect };
  /** For `${env:NAME}`; the process's own where absent. */
  readonly env?: NodeJS.ProcessEnv;
  /** For `${file:PATH}`; throws where the file cannot be read. */
  readonly readFile?: (path: string) => string;
  /** True where connections go out through a corporate proxy, which resolves names itself. */
  readonly upstreamProxy?: boolean;
  readonly presetsDir?: string;
}

/**
 * Reads and compiles a policy. Never throws: all faults of all sources come back at once, each with its place, and
 * then there is no policy. Warnings are about what a reader may take for more than it is.
 */
export function loadPolicy(input: LoadInput): LoadResult {
  const { env = process.env, readFile = readSecretFile, upstreamProxy = false } = input;
  const presets = new Presets(input.presetsDir ?? shippedPresets);
  const rules = new RuleList({ secrets: { env, readFile }, presets, upstreamProxy });
  const faults: PolicyFault[] = [];
  const files: FileKeys[] = [];
  for (const { file, text } of input.sources) {
    const own = new Faults(file);
    files.push(readPolicyFile(text, rules, upstreamProxy, own));
    faults.push(...own.list);
  }
  for (const effect of ['allow', 'deny'] as const) {
    faults.push(...readStrings(input[effect] ?? [], effect, rules));
  }
  if (faults.length > 0) return { ok: false, faults: inOrder(faults) };

  const settings: Settings = {};
  for (const file of files) Object.assign(settings, file.settings);
  const compiled = compilePolicy({
    mode: input.overrides?.mode ?? lastOf(files, 'mode') ?? 'enforce',
    inspect: input.overrides?.inspect ?? lastOf(files, 'inspect') ?? 'always',
    private: lastOf(files, 'private') ?? false,
    onAuditFailure: lastOf(files, 'onAuditFailure') ?? 'continue',
    hash: hashOf(input),
    files: input.sources.map(({ file }) => file),
    rules: rules.rules,
    confines: [...new Set(files.flatMap(({ confines }) => confines))],
  });
  if ('faults' in compiled) return { ok: false, faults: inOrder(compiled.faults) };
  const warnings = files.flatMap((file) => file.warnings);
  if (upstreamProxy) warnings.push(...rules.rules.filter(deniesAddresses).map(unresolvedWarning));
  return { ok: true, policy: compiled.policy, warnings, settings };
}

function deniesAddresses({ effect, spec }: Rule): boolean {
  return effect === 'deny' && spec.cidrs !== undefined;
}

function unresolvedWarning({ file, line, column }: Rule): PolicyFault {
  const message =
    'the upstream proxy resolves names, so this rule closes what is asked for by address alone, not names that resolve to one.';
  return { file, line, column, message };
}

/** Rules of a command line: the n-th string is line n. */
function readStrings(
  texts: readonly string[],
  effect: 'allow' | 'deny',
  rules: RuleList,
): readonly PolicyFault[] {
  const faults = new Faults(`--${effect}`);
  for (const [index, text] of texts.entries()) {
    const line = index + 1;
    const control = text.search(/[\p{Cc}\u2028\u2029\ufffd\p{Surrogate}]/u);
    if (control === -1) rules.addString(text, effect, { line, column: 1 }, faults);
    else {
      faults.add(
        { line, column: control + 1 },
        'the rule holds a control character or bytes that are not UTF-8. Expected one line of plain text.',
      );
    }
  }
  return faults.list;
}

/** A later file beats an earlier one. */
function lastOf<Key extends 'mode' | 'inspect' | 'private' | 'onAuditFailure'>(
  files: readonly FileKeys[],
  key: Key,
): FileKeys[Key] | undefined {
  return files.findLast((file) => file[key] !== undefined)?.[key];
}

function hashOf({ sources, allow = [], deny = [], overrides = {} }: LoadInput): string {
  const parts = [sources.map(({ text }) => text), allow, deny, overrides.mode, overrides.inspect];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** As a reader goes through the file, each once (a preset's rules share a line); sources stay apart. */
function inOrder(faults: readonly PolicyFault[]): readonly PolicyFault[] {
  const order = [...new Set(faults.map(({ file }) => file))];
  const once = new Map(faults.map((fault) => [JSON.stringify(fault), fault]));
  return [...once.values()].sort(
    (a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}
