import { type Address, type Cidr, prefixKey } from './address.ts';

/** Finds everything whose prefix holds an address: one map look-up per prefix length in use. */
export class CidrIndex<T> {
  readonly #lengths = { 4: new Map<number, Prefixes<T>>(), 6: new Map<number, Prefixes<T>>() };

  get empty(): boolean {
    return this.#lengths[4].size === 0 && this.#lengths[6].size === 0;
  }

  add({ base, length }: Cidr, value: T): void {
    const lengths = this.#lengths[base.version];
    const prefixes: Prefixes<T> = lengths.get(length) ?? new Map();
    lengths.set(length, prefixes);
    const key = prefixKey(base, length);
    const values = prefixes.get(key);
    if (values === undefined) prefixes.set(key, [value]);
    else if (!values.includes(value)) values.push(value);
  }

  /** Appends, without repetition, what was added under a prefix that holds `address`. */
  collect(address: Address, into: T[]): void {
    for (const [length, prefixes] of this.#lengths[address.version]) {
      for (const value of prefixes.get(prefixKey(address, length)) ?? []) {
        if (!into.includes(value)) into.push(value);
      }
    }
  }
}

type Prefixes<T> = Map<number | string, T[]>;
