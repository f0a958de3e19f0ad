import { lookup as systemLookup } from 'node:dns/promises';
import { LRUCache } from 'lru-cache';
import { ResolveError } from './resolve-error.ts';
import type { Resolver } from './types.ts';

export interface ResolverOptions {
  /** Names kept; 4096 unless told. */
  readonly cacheSize?: number;
  /** Seconds that an answer is kept; 30 unless told. getaddrinfo(3) does not tell the record's own. */
  readonly ttlSeconds?: number;
  /** The addresses of a name, in the order to try them. Throws an error with a getaddrinfo `code`. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  /** Milliseconds until a lookup is given up; 10,000 unless told. */
  readonly timeoutMs?: number;
  /** `hit` for answers out of the cache, those of `cached` and negative ones too; `seconds` is 0 then. */
  readonly onLookup?: (result: 'hit' | 'ok' | 'not-found' | 'failure', seconds: number) => void;
}

interface Entry {
  readonly addresses: readonly string[];
  /** Set instead of addresses where the name had none. */
  readonly error: ResolveError | null;
  readonly expires: number;
}

/** A name that is not there may be made at any moment; a lookup that failed may work the next time. */
const NEGATIVE_MS = 5_000;
/** getaddrinfo(3) holds a thread of libuv's pool, which has four; the pool also reads files. */
const CONCURRENT = 3;
/** More names than this wait for nothing. */
const QUEUE = 1024;

async function throughSystem(name: string): Promise<readonly string[]> {
  // 'verbatim': the system's own order (RFC 6724, gai.conf), not IPv4 first.
  const found = await systemLookup(name, { all: true, order: 'verbatim' });
  return found.map((one) => one.address);
}

/**
 * Makes a resolver over the system's: /etc/hosts, nsswitch.conf and search of the machine hold, and a bounded cache
 * stands before it. A lookup that was given up keeps its thread until the system answers.
 */
export function createResolver(options: ResolverOptions = {}): Resolver {
  const ttl = (options.ttlSeconds ?? 30) * 1000;
  const now = options.now ?? (() => performance.now());
  const ask = options.lookup ?? throughSystem;
  const timeoutMs = options.timeoutMs ?? 10_000;
  const tell = options.onLookup ?? (() => {});
  const cache = new LRUCache<string, Entry>({ max: options.cacheSize ?? 4096 });
  const flights = new Map<string, Promise<readonly string[]>>();
  const queue: (() => void)[] = [];
  let running = 0;
  let closed = false;

  function fresh(name: string): Entry | undefined {
    const entry = cache.get(name);
    if (entry === undefined || entry.expires > now()) return entry;
    cache.delete(name);
    return undefined;
  }

  /** Asks the system once a turn is free. The turn ends with the system's answer, however late. */
  function turn(name: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        running++;
        ask(name)
          .then(resolve, reject)
          .finally(() => {
            running--;
            queue.shift()?.();
          });
      };
      if (running < CONCURRENT) begin();
      else if (queue.length < QUEUE) queue.push(begin);
      else reject(new ResolveError('failure', `Too many names are being looked up; ${name} was not.`));
    });
  }

  async function fly(name: string): Promise<readonly string[]> {
    const start = now();
    const { promise: expiry, reject: expire } = Promise.withResolvers<never>();
    const timer = setTimeout(() => expire(ResolveError.timeout(name, timeoutMs)), timeoutMs);
    let addresses: readonly string[] = [];
    let error: ResolveError | null = null;
    try {
      addresses = [...new Set(await Promise.race([turn(name), expiry]))];
      if (addresses.length === 0) error = ResolveError.noAddress(name);
    } catch (cause) {
      error = ResolveError.from(name, cause);
    } finally {
      clearTimeout(timer);
      flights.delete(name);
    }
    const end = now();
    const missing = error?.kind === 'not-found' || error?.kind === 'no-address';
    tell(error === null ? 'ok' : missing ? 'not-found' : 'failure', (end - start) / 1000);
    if (!closed) cache.set(name, { addresses, error, expires: end + (error ? NEGATIVE_MS : ttl) });
    if (error) throw error;
    return addresses;
  }

  return {
    cached(name) {
      const entry = fresh(name);
      if (entry === undefined || entry.error) return undefined;
      tell('hit', 0);
      return entry.addresses;
    },
    async lookup(name) {
      if (closed) throw new ResolveError('failure', `${name} was not looked up: the resolver is closed.`);
      const entry = fresh(name);
      if (entry) {
        tell('hit', 0);
        if (entry.error) throw entry.error;
        return entry.addresses;
      }
      let flight = flights.get(name);
      if (!flight) {
        flight = fly(name);
        flights.set(name, flight);
      }
      return flight;
    },
    close() {
      closed = true;
      cache.clear();
      queue.length = 0;
    },
  };
}
