import { coderKeys, lineRanges, readCoderSettings, sessionKey } from './coder-config.ts';
import { readConfinement } from './confinement.ts';
import { type MappingNode, readDocument, type YamlNode } from './document.ts';
import type { Faults } from './faults.ts';
import { type Field, kindOf, readBoolean, readChoice, readFields } from './mapping.ts';
import type { RuleList } from './rule-list.ts';
import type { Inspect, Mode, PolicyFault, Settings } from './types.ts';

/** What one file says beside its rules; absent where it says nothing. */
export interface FileKeys {
  mode?: Mode;
  inspect?: Inspect;
  private?: boolean;
  onAuditFailure?: 'continue' | 'deny';
  settings: Settings;
  readonly confines: ('files' | 'commands')[];
  readonly warnings: PolicyFault[];
}

const OWN_KEYS = ['version', 'mode', 'inspect', 'private', 'audit', 'allow', 'deny', 'files', 'commands'];

/** The keys that a policy file may hold at its top, in the order of the reference. */
export const fileKeys: readonly string[] = [...OWN_KEYS, 'allowlist', ...coderKeys];

/** Reads one policy file: its rules go into `rules`, what is wrong into `faults`. An empty one says nothing. */
export function readPolicyFile(
  text: string,
  rules: RuleList,
  upstreamProxy: boolean,
  faults: Faults,
): FileKeys {
  const keys: FileKeys = { settings: {}, confines: [], warnings: [] };
  const document = readDocument(text, faults);
  if (document === null || (document.kind === 'scalar' && document.type === 'null')) return keys;
  if (document.kind !== 'mapping') {
    faults.add(
      document.at,
      `found ${kindOf(document)} as the whole file. Expected a mapping with keys such as allow: and deny:.`,
    );
    return keys;
  }
  const fields = readFields(document, knownKeys(document), 'a policy', faults);
  for (const [key, field] of fields) readKey(key, field, keys, rules, faults);
  keys.settings = readCoderSettings(fields, faults);
  const opened = fields.get('private');
  if (keys.private === true && upstreamProxy && opened !== undefined) {
    faults.add(
      opened.keyAt,
      'the upstream proxy resolves names, so their addresses cannot be judged here. Remove "private", or run without --upstream-proxy.',
    );
  }
  warnOfCoder(fields.get('allowlist')?.value, rules, keys, faults.file);
  return keys;
}

function knownKeys(document: MappingNode): readonly string[] {
  const session = document.entries.flatMap(({ key }) =>
    key.kind === 'scalar' && sessionKey.test(key.text) ? [key.text] : [],
  );
  return [...fileKeys, ...session];
}

function readKey(key: string, { value }: Field, keys: FileKeys, rules: RuleList, faults: Faults): void {
  switch (key) {
    case 'version':
      if (value.kind !== 'scalar' || value.data !== 1) {
        faults.add(value.at, `found ${kindOf(value)}. Expected 1, the only version of the policy language.`);
      }
      break;
    case 'mode': {
      const mode = readChoice(value, ['enforce', 'audit'], faults);
      if (mode !== undefined) keys.mode = mode;
      break;
    }
    case 'inspect': {
      const inspect = readChoice(value, ['always', 'auto', 'never'], faults);
      if (inspect !== undefined) keys.inspect = inspect;
      break;
    }
    case 'private': {
      const open = readBoolean(value, faults);
      if (open !== undefined) keys.private = open;
      break;
    }
    case 'audit':
      readAudit(value, keys, faults);
      break;
    case 'allow':
    case 'allowlist':
    case 'deny':
      readRules(value, key === 'deny' ? 'deny' : 'allow', rules, faults);
      break;
    case 'files':
    case 'commands':
      readConfinement(key, value, faults);
      keys.confines.push(key);
      break;
  }
}

function readAudit(node: YamlNode, keys: FileKeys, faults: Faults): void {
  const expected = 'a mapping such as { on_failure: deny }';
  if (node.kind !== 'mapping' || node.entries.length === 0) {
    faults.add(node.at, `found ${kindOf(node)}. Expected ${expected}.`);
    return;
  }
  const field = readFields(node, ['on_failure'], 'audit', faults).get('on_failure');
  const choice = field && readChoice(field.value, ['continue', 'deny'], faults);
  if (choice !== undefined) keys.onAuditFailure = choice;
}

function readRules(node: YamlNode, effect: 'allow' | 'deny', rules: RuleList, faults: Faults): void {
  if (node.kind !== 'sequence' || node.items.length === 0) {
    faults.add(
      node.at,
      `found ${kindOf(node)}. Expected a list of rules, each after "- "; leave the key out where there is none.`,
    );
    return;
  }
  for (const item of node.items) rules.addNode(item, effect, faults);
}

/** One warning for a file of Coder's firewall: where the same line opens less here than it did there. */
function warnOfCoder(allowlist: YamlNode | undefined, rules: RuleList, keys: FileKeys, file: string): void {
  const roots = rules.rootPaths.get(file) ?? [];
  const told: string[] = [];
  if (roots.length > 0) {
    told.push(
      `"path=/" is the root page alone, not every path (line ${lineRanges(roots)}; leave path= out for every path)`,
    );
  }
  if (allowlist?.kind === 'sequence') {
    const lines = lineRanges(allowlist.items.map(({ at }) => at.line));
    told.push(
      `ports 80 and 443 alone are allowed, not every port (line ${lines}; "host:8443" or "port:" opens others)`,
    );
  }
  if (told.length === 0) return;
  const at = allowlist?.at ?? { line: roots[0] ?? 1, column: 1 };
  const message = `stricter than Coder's Agent Firewall reads it: ${told.join('; ')}.`;
  keys.warnings.push({ file, line: at.line, column: at.column, message });
}
