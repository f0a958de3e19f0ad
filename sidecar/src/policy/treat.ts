import type { Endpoint, TunnelTarget } from '../target/types.ts';
import { readAddress } from './address.ts';
import type { Candidates } from './candidates.ts';
import { portMatches } from './compiled-rule.ts';
import type { Decider } from './decider.ts';
import { type Profile, profilesOf, tlsAt } from './profiles.ts';
import type { Inspect, Policy, Treatment } from './types.ts';
import { denied } from './verdicts.ts';

/** See `Policy.treat`. `inspect` is the file's own. */
export function createTreat(
  candidates: Candidates,
  { decide, judge }: Decider,
  inspect: Inspect,
): Policy['treat'] {
  const open: Treatment = { kind: 'sniff', tls: 'open' };
  const pass: Treatment = { kind: 'sniff', tls: 'pass' };

  return (endpoint: Endpoint): Treatment => {
    const profiles = profilesAt(candidates, endpoint);
    const here = profiles.filter(({ ports }) => portMatches(ports, endpoint.port));
    const { host, hostKind, port } = endpoint;
    const target: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', host, hostKind, port };
    if (here.some(({ tcp, closes }) => tcp || closes)) {
      const decision = decide(target);
      return decision.allowed ? { kind: 'tcp', target, decision } : { kind: 'deny', decision };
    }
    const allows = here.filter(({ allow }) => allow).flatMap(({ rules }) => rules.map(({ rule }) => rule));
    if (allows.length === 0) {
      // What is missing on a web port is most likely a rule for the web.
      const protocol = port === 80 || port === 443 ? 'tls' : 'tcp';
      return { kind: 'deny', decision: decide({ ...target, protocol }) };
    }
    if (hostKind !== 'name') {
      // An address that every rule about it leaves closed is refused before a byte of it is read.
      const judged = judge(target, { allowed: true, rule: null, reason: '', allows }, host);
      if (!judged.allowed)
        return { kind: 'deny', decision: denied(judged.rule, judged.reason, judged.remedy) };
    }
    return tlsAt(here, port, inspect) === 'open' ? open : pass;
  };
}

/** Everything that the rules say of connections to an endpoint. */
export function profilesAt(candidates: Candidates, endpoint: Endpoint): Profile[] {
  const profiles = candidates.profiles(endpoint);
  if (endpoint.hostKind === 'name') return profiles;
  const address = readAddress(endpoint.host);
  if (address === null) return profiles;
  return profiles.concat(
    profilesOf([...candidates.addressAllows(address), ...candidates.addressDenies(address)]),
  );
}
