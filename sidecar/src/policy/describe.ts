import type { HostKind } from '../target/types.ts';
import { knownCidr } from './address.ts';
import { classOf, opensByCidr } from './address-class.ts';
import { compileRule } from './compiled-rule.ts';
import { exampleName } from './overlap.ts';
import type { Policy, PortRange, Rule } from './types.ts';

/** What a policy means, in plain lines for `boundary check`. */
export interface Description {
  /** What it allows and denies, one line per rule. */
  readonly meaning: readonly string[];
  /** Where requests are not seen, and which deny rules are without effect there. */
  readonly blind: readonly string[];
  /** What it opens that few policies need: private and special addresses, every name, opaque bytes. */
  readonly special: readonly string[];
}

/** Never shows an injected value. */
export function describePolicy(policy: Policy): Description {
  const allows = policy.rules.filter(({ effect }) => effect === 'allow');
  return {
    meaning: [
      policy.mode === 'audit'
        ? 'Mode audit: what the rules deny passes and is logged as would-deny.'
        : 'Mode enforce: what no rule allows is denied.',
      ...(allows.length === 0 ? ['Nothing is allowed.'] : []),
      ...policy.rules.map(ruleLine),
    ],
    blind: blindLines(policy, allows),
    special: allows.flatMap((rule) => specialLines(policy, rule)),
  };
}

function ruleLine(rule: Rule): string {
  const { spec } = rule;
  const about = [
    listed(
      '',
      spec.domains?.map((domain) => (domain === '*' ? 'every name' : domain)),
    ),
    listed(
      'git ',
      spec.repos?.map(({ host, owner, name }) => `${host}/${owner}/${name}`),
    ),
    listed('registry ', spec.registries),
    listed('packages ', spec.packages),
    listed('addresses ', spec.cidrs),
    listed('methods ', spec.methods),
    listed('paths ', spec.paths),
    portsText(compileRule(rule, false).ports),
    spec.protocol === undefined ? '' : `protocol ${spec.protocol}`,
    spec.repos === undefined || rule.effect === 'deny' ? '' : (spec.access ?? 'read'),
    spec.inspect === undefined ? '' : `TLS inspect ${spec.inspect}`,
    listed('upgrade ', spec.upgrade),
    spec.inject === undefined ? '' : `injects ${spec.inject.header}`,
    spec.limits === undefined ? '' : 'with limits',
  ];
  return `${rule.label}: ${rule.effect} ${about.filter((part) => part !== '').join('; ')}`;
}

function blindLines(policy: Policy, allows: readonly Rule[]): string[] {
  const passed = new Set<string>();
  for (const rule of allows) {
    const { ports } = compileRule(rule, false);
    for (const { name, host, hostKind } of placesOf(rule)) {
      for (const port of new Set((ports ?? [{ from: 443, to: 443 }]).map(({ from }) => from))) {
        const seen = policy.treat({ host, hostKind, port });
        // Port 80 carries plain HTTP, which is always seen.
        if (seen.kind === 'tcp' || (seen.kind === 'sniff' && seen.tls === 'pass' && port !== 80)) {
          passed.add(`${name}:${port}`);
        }
      }
    }
  }
  const unseen = [...passed];
  const powerless = policy.rules.filter((rule) => {
    const { hosts, cidrs, looksInside } = compileRule(rule, false);
    return rule.effect === 'deny' && hosts === null && cidrs === null && looksInside;
  });
  return [
    ...unseen.map((place) => `${place} is passed unread: methods, paths and bodies are not seen.`),
    ...(unseen.length === 0 ? [] : powerless).map(
      ({ label }) => `${label}: this deny rule looks at requests and is blind at ${unseen.join(', ')}.`,
    ),
  ];
}

/** Whom an allow rule is about, each with a host that stands for it. */
function placesOf(
  rule: Rule,
): { readonly name: string; readonly host: string; readonly hostKind: HostKind }[] {
  const { hosts } = compileRule(rule, false);
  if (hosts !== null) return hosts.map((name) => ({ name, host: exampleName(name), hostKind: 'name' }));
  return (rule.spec.cidrs ?? []).map((cidr) => {
    const [host = ''] = cidr.split('/');
    const isIpv6 = host.includes(':');
    return { name: isIpv6 ? `[${cidr}]` : cidr, host, hostKind: isIpv6 ? 'ipv6' : 'ipv4' };
  });
}

function specialLines(policy: Policy, rule: Rule): string[] {
  const { label, spec } = rule;
  const everyName = spec.domains?.includes('*') ?? false;
  const lines = (spec.cidrs ?? []).flatMap((text) => {
    const cidr = knownCidr(text);
    const special = classOf(cidr.base);
    const opens = special !== null && opensByCidr(special, [cidr], cidr.base);
    return opens ? [`${label}: opens ${text} (${special.name}).`] : [];
  });
  if (reachesPrivateNames(policy, rule)) {
    lines.push(
      everyName
        ? `${label}: warning: every name may resolve into private address space; whoever controls any name can reach machines there.`
        : `${label}: names may resolve into private address space.`,
    );
  }
  if (everyName) lines.push(`${label}: allows every name.`);
  if (spec.protocol === 'tcp') lines.push(`${label}: passes opaque bytes.`);
  if (spec.access === 'write') lines.push(`${label}: allows pushes.`);
  if (policy.mode === 'audit' && spec.limits !== undefined)
    lines.push(`${label}: limits hold in mode audit too.`);
  return lines;
}

/** The file's own `private:` counts as well as the rule's. */
function reachesPrivateNames(policy: Policy, rule: Rule): boolean {
  if (rule.spec.cidrs !== undefined) return rule.spec.private === true;
  const name = { host: 'any-name.invalid', hostKind: 'name', port: 443 } as const;
  const decision = { allowed: true, rule, reason: '', allows: [rule] };
  return policy.judgeAddress({ kind: 'tunnel', protocol: 'tcp', ...name }, decision, '10.0.0.1').allowed;
}

function listed(label: string, items: readonly string[] | undefined): string {
  return items === undefined ? '' : `${label}${items.join(', ')}`;
}

function portsText(ports: readonly PortRange[] | null): string {
  if (ports === null) return 'any port';
  return `port ${ports.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(', ')}`;
}
