import { compilePolicy, type PolicyParts } from '../../sidecar/src/policy/compile.ts';
import type { Policy, PolicyFault, Rule, RuleSpec } from '../../sidecar/src/policy/types.ts';
import type { HttpTarget, TunnelTarget } from '../../sidecar/src/target/types.ts';

/** Rules without a file: allow rules come first, and rule n stands on line n + 1 of `p.yaml`. */
export interface RuleLists extends Partial<Omit<PolicyParts, 'rules'>> {
  readonly allow?: readonly RuleSpec[];
  readonly deny?: readonly RuleSpec[];
}

/** A policy out of rules that were not read from a file. Throws its faults, joined. */
export function policyOf(lists: RuleLists): Policy {
  const result = compilePolicy(partsOf(lists));
  if ('policy' in result) return result.policy;
  throw new Error(result.faults.map(({ line, message }) => `${line}: ${message}`).join('\n'));
}

export function faultsOf(lists: RuleLists): readonly PolicyFault[] {
  const result = compilePolicy(partsOf(lists));
  return 'faults' in result ? result.faults : [];
}

/** `GET https://host/path?query`, canonical already. */
export function request(text: string, more: Partial<HttpTarget> = {}): HttpTarget {
  const match = /^(\S+) (https?):\/\/(\[[^\]]+\]|[^:/*]+)(?::(\d+))?(\*|\/[^?]*)?(\?.*)?$/.exec(text);
  if (match === null) throw new Error(`${text} is no request`);
  const [, method = '', scheme, host = '', port, path = '/', query = ''] = match;
  return {
    kind: 'http',
    scheme: scheme === 'http' ? 'http' : 'https',
    method,
    overrides: [],
    ...place(host),
    port: Number(port ?? (scheme === 'http' ? 80 : 443)),
    path,
    query,
    upgrade: null,
    ...more,
  };
}

/** `tls host:port` or `tcp host:port`. */
export function tunnel(text: string): TunnelTarget {
  const match = /^(tls|tcp) (\[[^\]]+\]|[^:]+):(\d+)$/.exec(text);
  if (match === null) throw new Error(`${text} is no tunnel`);
  const [, protocol, host = '', port] = match;
  return { kind: 'tunnel', protocol: protocol === 'tls' ? 'tls' : 'tcp', ...place(host), port: Number(port) };
}

function place(host: string): Pick<HttpTarget, 'host' | 'hostKind'> {
  if (host.startsWith('[')) return { host: host.slice(1, -1), hostKind: 'ipv6' };
  return { host, hostKind: /^[\d.]+$/.test(host) ? 'ipv4' : 'name' };
}

function partsOf({ allow = [], deny = [], ...rest }: RuleLists): PolicyParts {
  const effects = [...allow.map(() => 'allow' as const), ...deny.map(() => 'deny' as const)];
  const rules = [...allow, ...deny].map((spec, id): Rule => {
    const effect = effects[id] ?? 'deny';
    return { id, effect, spec, file: 'p.yaml', line: id + 1, column: 5, label: `p.yaml:${id + 1}` };
  });
  return {
    mode: 'enforce',
    inspect: 'always',
    private: false,
    onAuditFailure: 'continue',
    hash: '',
    files: [],
    confines: [],
    ...rest,
    rules,
  };
}
