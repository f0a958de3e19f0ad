import { ANY, type CompiledRule, portMatches } from './compiled-rule.ts';
import type { Inspect, PortRange } from './types.ts';

/** What some rules mean for a connection before any request is seen: all that a group of like rules has in common. */
export interface Profile {
  readonly ports: readonly PortRange[] | null;
  readonly allow: boolean;
  /** As in `CompiledRule`. */
  readonly asked: number;
  /** An allow rule for opaque bytes. */
  readonly tcp: boolean;
  /** A deny rule that closes the port for everything. */
  readonly closes: boolean;
  /** A rule that names whom it is about, and cannot do with passed bytes. */
  readonly seesRequests: boolean;
  /** A rule that cannot do with opaque bytes: it sees requests, or tells TLS from other bytes. */
  readonly seesBytes: boolean;
  /** The rule looks at requests, whether it names anybody or not. */
  readonly looksInside: boolean;
  readonly inspect: Inspect | undefined;
  /** In the order of the file, never empty. */
  readonly rules: readonly CompiledRule[];
}

const STRENGTH: Readonly<Record<Inspect, number>> = { never: 0, auto: 1, always: 2 };

/** Groups rules that mean the same for a connection, so that thousands of paths of one host cost as one. */
export function profilesOf(rules: readonly CompiledRule[]): Profile[] {
  const groups = new Map<string, Profile & { readonly rules: CompiledRule[] }>();
  for (const compiled of rules) {
    const profile = profileOf(compiled);
    const key = JSON.stringify(profile);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ...profile, rules: [compiled] });
    else group.rules.push(compiled);
  }
  return [...groups.values()];
}

/** How TLS is treated where these rules hold: the strongest `inspect` that is stated, else the file's. */
export function inspectAt(profiles: readonly Profile[], port: number, file: Inspect): Inspect {
  let strongest: Inspect | undefined;
  for (const { inspect, ports } of profiles) {
    if (inspect === undefined || !portMatches(ports, port)) continue;
    if (strongest === undefined || STRENGTH[inspect] > STRENGTH[strongest]) strongest = inspect;
  }
  return strongest ?? file;
}

/** `open` where requests have to be seen: always, or with `auto` where some rule looks inside. */
export function tlsAt(profiles: readonly Profile[], port: number, file: Inspect): 'open' | 'pass' {
  const inspect = inspectAt(profiles, port, file);
  if (inspect !== 'auto') return inspect === 'always' ? 'open' : 'pass';
  return profiles.some(({ looksInside, ports }) => looksInside && portMatches(ports, port)) ? 'open' : 'pass';
}

function profileOf({ rule, ports, hosts, cidrs, asked, looksInside }: CompiledRule): Omit<Profile, 'rules'> {
  const allow = rule.effect === 'allow';
  const named = hosts !== null || cidrs !== null;
  const { inspect, protocol } = rule.spec;
  return {
    ports,
    allow,
    asked,
    tcp: allow && protocol === 'tcp',
    closes: !allow && !looksInside && cidrs === null && asked === ANY,
    seesRequests: named && looksInside,
    seesBytes: named && (looksInside || inspect === 'always' || (!allow && asked !== ANY)),
    looksInside,
    inspect,
  };
}
