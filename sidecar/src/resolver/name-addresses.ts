import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { type NameJournal, type NameUse, openNameJournal } from './name-journal.ts';

/** Where the workspace asks. */
export const RESOLVER_ADDRESS = '198.18.0.53';
/** What the workspace may see of the boundary: its name and its address. */
export const VIEW_NAME = 'boundary.internal';
export const VIEW_ADDRESS = '198.18.0.1';

export interface NameAddressesOptions {
  /** The journal; its directory has to exist. */
  readonly path: string;
  /** How many addresses are given out, from 198.18.1.0 on; 130,815 unless told. */
  readonly size?: number;
  /** Milliseconds since the epoch, never less than before. */
  readonly now?: () => number;
  /** Told a sentence when the journal cannot be written, once a minute at most. */
  readonly onFault?: (message: string) => void;
}

/** Which address stands for which name, in the workspace's eyes. */
export interface NameAddresses {
  /** What was found wrong when it was opened, as sentences. */
  readonly warnings: readonly string[];
  /** Names that have an address, reserved ones not counted. */
  readonly count: number;
  /**
   * The address of a canonical name; a use of it. Null where no address is free, or where a new one cannot be put on
   * record. `wanted` is false for a name that no rule could allow: such names leave the last eighth of the addresses
   * to others.
   */
  addressOf(name: string, wanted?: boolean): string | null;
  /** Whose address this is; a use of it. Undefined for an address that was given to nobody. */
  nameOf(address: string): string | undefined;
  /** Gives one of the boundary's own addresses to a name for good. Throws RangeError for any other address. */
  reserve(name: string, address: string): void;
  /** True for every address that stands for a name or could: those never lead anywhere by themselves. */
  isOwn(address: string): boolean;
  close(): void;
}

/**
 * 198.18.0.0/15 is set apart for benchmarks (RFC 2544): nothing on the internet has such an address. The first 256
 * are the boundary's own, and the last one is left out, because it is the broadcast address of the whole.
 */
const RANGE = 198 * 2 ** 24 + 18 * 2 ** 16;
const RANGE_SIZE = 2 ** 17;
const OWN = 256;
const MOST_NAMES = RANGE_SIZE - OWN - 1;
/** Names have 253 octets at most, and 20 or so in life. */
const MOST_OCTETS = 8 * 2 ** 20;
const OCTETS_OF_A_LINE = 38;
const HOUR = 3600;
/** A day, and the hour by which what is known of a use may be behind. */
const LEASE = 25 * HOUR;
const SMALLEST_COMPACTION = 256 * 1024;
const GROWTH = 4;
const FAULT_EVERY = 60;

/**
 * Opens the book of names. Each name has one address, found from a hash of the name, so that it mostly is the same
 * even where the journal was lost. A name keeps its address for a day after its last use (a question or a connection),
 * across restarts too: what is told is written before it is told. After that day it keeps it until no other is free.
 *
 * In memory and on disk it is bounded by the number of addresses and by 8 MiB of names. Never throws for what is on
 * the disk, see `warnings`.
 */
export function openNameAddresses(options: NameAddressesOptions): NameAddresses {
  const { journal, uses, warnings } = openNameJournal(options.path);
  return new Book(options, journal, uses, warnings);
}

/** The wall clock of this moment, driven by one that nobody sets. */
function steadyClock(): () => number {
  const start = Date.now() - performance.now();
  return () => start + performance.now();
}

class Book implements NameAddresses {
  readonly warnings: readonly string[];
  readonly #journal: NameJournal;
  readonly #size: number;
  readonly #clock: () => number;
  readonly #onFault: (message: string) => void;
  /** Seconds by which the clock is behind what the journal has seen: ages count, not dates. */
  readonly #behind: number;
  /** By place in the range. */
  readonly #names: (string | undefined)[];
  /** Seconds, of which an hour at most is missing: so often a use is worth a line, and a place at the end below. */
  readonly #used: Float64Array;
  /** By name, the longest unused first. */
  readonly #places = new Map<string, number>();
  readonly #reserved = new Map<string, string>();
  #octets = 0;
  #compactAt = 0;
  #faultTold = Number.NEGATIVE_INFINITY;

  constructor(
    options: NameAddressesOptions,
    journal: NameJournal,
    uses: readonly NameUse[],
    warnings: readonly string[],
  ) {
    const { size = MOST_NAMES, now = steadyClock(), onFault = () => {} } = options;
    if (!Number.isInteger(size) || size < 1 || size > MOST_NAMES)
      throw new RangeError(`The size ${size} is no number from 1 to ${MOST_NAMES}.`);
    this.#journal = journal;
    this.#size = size;
    this.#clock = now;
    this.#onFault = onFault;
    const newest = uses.reduce((latest, { seconds }) => Math.max(latest, seconds), 0);
    this.#behind = Math.max(0, newest - now() / 1000);
    this.#names = new Array(size).fill(undefined);
    this.#used = new Float64Array(size);
    for (const use of uses) this.#recall(use);
    const fault = this.#compact();
    this.warnings = fault === null ? warnings : [...warnings, fault];
  }

  get count(): number {
    return this.#places.size;
  }

  addressOf(name: string, wanted = true): string | null {
    const reserved = this.#reserved.get(name);
    if (reserved !== undefined) return reserved;
    const known = this.#places.get(name);
    if (known !== undefined) {
      this.#use(name, known);
      return addressAt(known);
    }
    if (!this.#makeRoom(name.length, wanted)) return null;
    const place = this.#freePlace(name);
    const seconds = this.#seconds();
    if (!this.#record({ name, address: addressAt(place), seconds })) return null;
    this.#give(name, place, seconds);
    this.#compactWhereLong();
    return addressAt(place);
  }

  nameOf(address: string): string | undefined {
    for (const [name, reserved] of this.#reserved) if (reserved === address) return name;
    const place = placeOf(address);
    const name = this.#names[place];
    if (name !== undefined) this.#use(name, place);
    return name;
  }

  reserve(name: string, address: string): void {
    const place = placeOf(address);
    if (!(place >= -OWN && place < 0))
      throw new RangeError(`${address} is none of the boundary's own addresses, ${textOf(RANGE)}/24.`);
    this.#reserved.set(name, address);
  }

  isOwn(address: string): boolean {
    const place = placeOf(address);
    return place >= -OWN && place < RANGE_SIZE - OWN;
  }

  close(): void {
    this.#journal.close();
  }

  #seconds(): number {
    return this.#clock() / 1000 + this.#behind;
  }

  /** Takes over what the journal tells; the later of two that contradict each other holds. */
  #recall({ name, address, seconds }: NameUse): void {
    const place = placeOf(address);
    if (!(place >= 0 && place < this.#size)) return;
    const other = this.#names[place];
    if (other !== undefined && other !== name) this.#forget(other);
    if (this.#places.has(name)) this.#forget(name);
    // The journal also tells of names that were forgotten to make room for later ones.
    for (const longestUnused of this.#places.keys()) {
      if (this.#octets + name.length <= MOST_OCTETS) break;
      this.#forget(longestUnused);
    }
    this.#give(name, place, seconds);
  }

  #give(name: string, place: number, seconds: number): void {
    this.#names[place] = name;
    this.#used[place] = seconds;
    this.#places.set(name, place);
    this.#octets += name.length;
  }

  #forget(name: string): void {
    const place = this.#places.get(name);
    if (place === undefined) return;
    this.#places.delete(name);
    this.#names[place] = undefined;
    this.#octets -= name.length;
  }

  #use(name: string, place: number): void {
    const seconds = this.#seconds();
    if (seconds - (this.#used[place] ?? 0) < HOUR) return;
    this.#used[place] = seconds;
    this.#places.delete(name);
    this.#places.set(name, place);
    // Where this cannot be put on record, the name works nevertheless: it is on record, with an earlier use.
    if (this.#record({ name, address: addressAt(place), seconds })) this.#compactWhereLong();
  }

  /** Forgets names whose day is over where that is needed for one more; false where there are too few of them. */
  #makeRoom(length: number, wanted: boolean): boolean {
    const places = wanted ? this.#size : this.#size - Math.floor(this.#size / 8);
    const octets = wanted ? MOST_OCTETS : MOST_OCTETS - MOST_OCTETS / 8;
    const over = this.#seconds() - LEASE;
    for (const [name, place] of this.#places) {
      if (this.#places.size < places && this.#octets + length <= octets) return true;
      if ((this.#used[place] ?? 0) > over) return false;
      this.#forget(name);
    }
    return places > 0;
  }

  /** There is one: see {@link #makeRoom}. */
  #freePlace(name: string): number {
    let place = createHash('sha256').update(name).digest().readUInt32BE() % this.#size;
    while (this.#names[place] !== undefined) place = (place + 1) % this.#size;
    return place;
  }

  #record(use: NameUse): boolean {
    const fault = this.#journal.append(use);
    if (fault === null) return true;
    const seconds = this.#seconds();
    if (seconds - this.#faultTold >= FAULT_EVERY) {
      this.#faultTold = seconds;
      this.#onFault(fault);
    }
    return false;
  }

  #compactWhereLong(): void {
    if (this.#journal.bytes > this.#compactAt) this.#compact();
  }

  #compact(): string | null {
    const fault = this.#journal.rewrite(this.#live());
    // Where it failed, the next attempt is as far away as the file is long.
    const floor = fault === null ? this.#octets + this.#places.size * OCTETS_OF_A_LINE : this.#journal.bytes;
    this.#compactAt = Math.max(SMALLEST_COMPACTION, floor * GROWTH);
    return fault;
  }

  *#live(): Generator<NameUse> {
    for (const [name, place] of this.#places)
      yield { name, address: addressAt(place), seconds: this.#used[place] ?? 0 };
  }
}

/** From 0 for those that are given out; negative for the boundary's own; NaN for what is no IPv4 address. */
function placeOf(address: string): number {
  if (!isIPv4(address)) return Number.NaN;
  return address.split('.').reduce((value, octet) => value * 256 + Number(octet), 0) - RANGE - OWN;
}

function addressAt(place: number): string {
  return textOf(RANGE + OWN + place);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
