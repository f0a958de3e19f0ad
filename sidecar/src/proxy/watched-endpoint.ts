import type { Duplex } from 'node:stream';
import type { Policy } from '../policy/types.ts';
import type { Endpoint } from '../target/types.ts';
import type { Live } from './core.ts';

/**
 * A connection that a CONNECT made, while nothing passes that is judged by itself: a `pending` one has not said yet
 * what it is for, the requests in an `opened` one are judged one by one. It only has to be closed with its endpoint.
 */
export class WatchedEndpoint implements Live {
  readonly kind: 'pending' | 'opened';
  slot = -1;
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;

  constructor(kind: 'pending' | 'opened', socket: Duplex, endpoint: Endpoint) {
    this.kind = kind;
    this.#socket = socket;
    this.#endpoint = endpoint;
  }

  refusedBy(policy: Policy): boolean {
    return policy.mode !== 'audit' && policy.treat(this.#endpoint).kind === 'deny';
  }

  close(): void {
    this.#socket.destroy();
  }
}
