import type { Policy } from '../policy/types.ts';
import type { RuleLimits } from './rule-limits.ts';
import type { SlotSet, Slotted } from './slot-set.ts';
import type { ProxyOptions } from './types.ts';

/** Something open that a new policy may refuse: a request in flight, a tunnel, an opened connection. */
export interface Live extends Slotted {
  /** `work` is waited for when the proxy stops; a `pending` tunnel has said nothing yet; `opened` holds requests. */
  readonly kind: 'work' | 'pending' | 'opened';
  refusedBy(policy: Policy): boolean;
  /** Ends it so that nobody can take it for a clean end. */
  close(cause: string): void;
}

/** What every part of the proxy shares. Made once, by `createProxy`. */
export interface ProxyCore {
  readonly options: ProxyOptions;
  readonly limits: RuleLimits;
  readonly live: SlotSet<Live>;
  readonly headTimeout: number;
  /** Whether a dial to this address would end at boundary itself. */
  isOwn(address: string, port: number): boolean;
}
