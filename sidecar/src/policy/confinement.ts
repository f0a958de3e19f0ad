import type { YamlNode } from './document.ts';
import { type Faults, quoted } from './faults.ts';
import { kindOf, readFields, readTexts } from './mapping.ts';

const LISTS = { files: ['read', 'write', 'deny'], commands: ['deny'] } as const;

/** Checks `files:` or `commands:`. What they say is enforced by an isolation, not by the rules. */
export function readConfinement(key: 'files' | 'commands', node: YamlNode, faults: Faults): void {
  if (node.kind !== 'mapping' || node.entries.length === 0) {
    faults.add(node.at, `found ${kindOf(node)}. Expected a mapping with: ${LISTS[key].join(', ')}.`);
    return;
  }
  const expected = key === 'files' ? 'a path' : 'the name of a command';
  for (const { value } of readFields(node, LISTS[key], key, faults).values()) {
    for (const { at, text } of readTexts(value, expected, faults)) {
      const fault = key === 'files' ? pathFault(text) : commandFault(text);
      if (fault !== null) faults.add(at, fault);
    }
  }
}

function pathFault(text: string): string | null {
  const found = quoted(text);
  if (!/^(?:\/|~$|~\/)/.test(text))
    return `the path ${found} is relative. Expected one that starts with "/" or "~/".`;
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(text))
    return `the path ${found} holds a "." or ".." part. Write it without.`;
  if (/[*?]/.test(text))
    return `the path ${found} holds a wildcard. A directory stands for everything below it.`;
  return null;
}

function commandFault(text: string): string | null {
  if (/^(?:\/\S*[^/\s]|[^/\s*?]+)$/.test(text)) return null;
  return `${quoted(text)} is no command. Expected a name such as ssh, or an absolute path, without arguments or wildcards.`;
}
