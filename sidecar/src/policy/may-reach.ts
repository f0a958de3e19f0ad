import type { Candidates } from './candidates.ts';
import { portMatches } from './compiled-rule.ts';
import type { Profile } from './profiles.ts';
import type { Policy, PortRange } from './types.ts';

const EVERY_PORT: readonly PortRange[] = [{ from: 1, to: 65535 }];

/**
 * See `Policy.mayReach`. It costs what the rules about the name differ in, however many there are. Denies with a `cidr`
 * are not among those that are about a name.
 */
export function createMayReach(candidates: Candidates): Policy['mayReach'] {
  return (name) => {
    const profiles = candidates.profiles({ host: name, hostKind: 'name', port: 443 });
    // One that looks at requests closes some of them at most. Where it closed bytes that nobody looks into, the policy
    // did not load.
    const denies = profiles.filter(({ allow, looksInside }) => !allow && !looksInside);
    return profiles.some((profile) => profile.allow && leavesOpen(profile, denies));
  };
}

/** True where some port of the allow rules is left, in some protocol, by all of the denies together. */
function leavesOpen({ asked, ports }: Profile, denies: readonly Profile[]): boolean {
  const ranges = ports ?? EVERY_PORT;
  // What denies leave of a range begins where the range begins, or right after the end of a deny.
  const afterDenies = denies.flatMap((deny) => (deny.ports ?? []).map(({ to }) => to + 1));
  const starts = [
    ...ranges.map(({ from }) => from),
    ...afterDenies.filter((port) => portMatches(ranges, port)),
  ];
  return starts.some((port) => {
    const closing = denies.filter((deny) => portMatches(deny.ports, port));
    return (asked & ~closing.reduce((bits, deny) => bits | deny.asked, 0)) !== 0;
  });
}
