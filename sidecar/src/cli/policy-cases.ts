import { readDocument, type YamlNode } from '../policy/document.ts';
import { Faults, type Place } from '../policy/faults.ts';
import { kindOf, readChoice, readFields, readText, readWhole } from '../policy/mapping.ts';
import type { PolicyFault } from '../policy/types.ts';

/** One expectation about a policy. */
export interface PolicyCase {
  readonly at: Place;
  readonly method: string;
  readonly url: string;
  readonly verdict: 'allow' | 'deny';
  /** The line of the rule that has to decide, or `FILE:LINE` (the end of it suffices); absent where any may. */
  readonly rule?: string;
}

/** A file of cases. */
export interface PolicyCases {
  /** The policy they are about, relative to the file of the cases; absent where the command line names it. */
  readonly policy?: string;
  readonly cases: readonly PolicyCase[];
}

const caseKeys = ['method', 'url', 'verdict', 'rule', 'name'] as const;

/**
 * Reads a file of cases (docs/cli.md has its form). All faults in one go, each with its place, as for a policy.
 * @param file what positions call it
 */
export function readPolicyCases(
  file: string,
  text: string,
): { ok: true; value: PolicyCases } | { ok: false; faults: readonly PolicyFault[] } {
  const faults = new Faults(file);
  const root = readDocument(text, faults);
  const value = root === null ? null : readRoot(root, faults);
  if (root === null && faults.list.length === 0) {
    faults.add({ line: 1, column: 1 }, 'the file is empty. Expected "cases:" with a list of them.');
  }
  return value !== null && faults.list.length === 0
    ? { ok: true, value }
    : { ok: false, faults: faults.list };
}

function readRoot(root: YamlNode, faults: Faults): PolicyCases | null {
  if (root.kind !== 'mapping') {
    faults.add(root.at, `found ${kindOf(root)}. Expected "cases:" with a list of them.`);
    return null;
  }
  const fields = readFields(root, ['policy', 'cases'], 'a file of cases', faults);
  const policyNode = fields.get('policy')?.value;
  const policy =
    policyNode === undefined ? undefined : readText(policyNode, 'the path of a policy', faults)?.text;
  const list = fields.get('cases')?.value;
  if (list === undefined || list.kind !== 'sequence' || list.items.length === 0) {
    const found = list === undefined ? 'no "cases:"' : kindOf(list);
    faults.add(
      list?.at ?? root.at,
      `found ${found}. Expected a list of cases, such as { method: GET, url: "https://example.com/", verdict: allow }.`,
    );
    return null;
  }
  const cases = list.items.flatMap((item) => readCase(item, faults) ?? []);
  return policy === undefined ? { cases } : { policy, cases };
}

function readCase(node: YamlNode, faults: Faults): PolicyCase | undefined {
  if (node.kind !== 'mapping') {
    faults.add(node.at, `found ${kindOf(node)}. Expected a case with url and verdict.`);
    return undefined;
  }
  const fields = readFields(node, caseKeys, 'a case', faults);
  const methodNode = fields.get('method')?.value;
  const method =
    methodNode === undefined ? 'GET' : readText(methodNode, 'a method such as GET', faults)?.text;
  const urlNode = fields.get('url')?.value;
  const url = urlNode === undefined ? undefined : readText(urlNode, 'a URL', faults)?.text;
  const verdictNode = fields.get('verdict')?.value;
  const verdict =
    verdictNode === undefined ? undefined : readChoice(verdictNode, ['allow', 'deny'] as const, faults);
  const missing = [urlNode ? '' : 'url', verdictNode ? '' : 'verdict'].filter((key) => key !== '');
  if (missing.length > 0) faults.add(node.at, `this case has no ${missing.join(' and no ')}.`);
  if (method === undefined || url === undefined || verdict === undefined) return undefined;
  const rule = readRule(fields.get('rule')?.value, faults);
  return { at: node.at, method, url, verdict, ...(rule === undefined ? {} : { rule }) };
}

function readRule(node: YamlNode | undefined, faults: Faults): string | undefined {
  if (node === undefined) return undefined;
  if (node.kind === 'scalar' && node.type === 'number') {
    return readWhole(node, 1, Number.MAX_SAFE_INTEGER, faults)?.toString();
  }
  return readText(node, 'the line of a rule, FILE:LINE, or none', faults)?.text;
}
