import { performance } from 'node:perf_hooks';
import { type DeniedPlace, DeniedPlaces } from './denied-places.ts';
import { KeptRequest } from './kept-request.ts';
import type { AuditEntry, AuditLog, Outcome, VerdictRecord } from './types.ts';

/** How many places are counted by how often they are denied. */
const mostPlaces = 256;

/** What was counted since the start. */
export interface DecisionCounters {
  allowed: number;
  denied: number;
  /** Let through by mode `audit` alone. */
  wouldDeny: number;
  /** Requests and connections that have not ended. */
  open: number;
  /** Ended with an error, denied or not. */
  failed: number;
  /** Body and tunnel bytes from and to clients, of what has ended. */
  bytesIn: number;
  bytesOut: number;
}

/** One request as it stands. */
export interface RecentDecision {
  /** What people see in answers and look up in the audit log. */
  readonly id: string;
  readonly request: KeptRequest;
  /** Null while it is open, and where its end is not remembered. */
  readonly outcome: Outcome | null;
  /** Milliseconds from verdict to end; null where there is no outcome. */
  readonly duration: number | null;
  /** Of all changes, the number of its last one. */
  readonly revision: number;
}

/** The memory of what happened lately: bounded, lost at the end of the process, cheap to keep. */
export interface RecentDecisions {
  readonly run: string;
  /** milliseconds since 1970 */
  readonly since: number;
  readonly counters: Readonly<DecisionCounters>;
  /** Grows with every verdict and every end. */
  readonly revision: number;
  /** Newest first: the last that passed and the last that did not, so that neither pushes the other out. */
  latest(limit?: number): RecentDecision[];
  /** What changed after that revision and is still remembered, in the order of the changes. */
  changedSince(revision: number): RecentDecision[];
  /** By its id, or null where it is not remembered any more. */
  find(id: string): RecentDecision | null;
  /** Where most is denied (or would be), the most first. */
  deniedMost(limit?: number): DeniedPlace[];
  /**
   * Calls a listener at every change, on the data path: it may set a mark or a timer, and must not throw.
   * @returns ends the subscription
   */
  subscribe(listener: () => void): () => void;
}

export interface WatchOptions {
  /** How many decisions are remembered of each kind, those that passed and those that did not; 200 unless told. */
  readonly keep?: number;
  /** Milliseconds since 1970, for times and durations both. Without it the duration is monotonic. */
  readonly now?: () => number;
}

/** An audit log that also remembers its last decisions, for people who look. */
export function watched(
  audit: AuditLog,
  options: WatchOptions = {},
): { audit: AuditLog; recent: RecentDecisions } {
  const recent = new Recent(audit.run, options);
  const watching: AuditLog = {
    run: audit.run,
    get healthy() {
      return audit.healthy;
    },
    open(verdict: VerdictRecord) {
      const entry = audit.open(verdict);
      return new WatchedEntry(entry, recent, recent.opened(verdict, entry.seq));
    },
    flush: () => audit.flush(),
    close: () => audit.close(),
  };
  return { audit: watching, recent };
}

/** A place for one decision, filled again once it is the oldest. */
class Slot {
  readonly request = new KeptRequest();
  /** milliseconds of the clock that measures durations */
  started = 0;
  outcome: Outcome | null = null;
  duration: number | null = null;
  revision = 0;
}

class WatchedEntry implements AuditEntry {
  readonly seq: number;
  readonly #entry: AuditEntry;
  readonly #recent: Recent;
  readonly #slot: Slot;
  #ended = false;

  constructor(entry: AuditEntry, recent: Recent, slot: Slot) {
    this.seq = entry.seq;
    this.#entry = entry;
    this.#recent = recent;
    this.#slot = slot;
  }

  get id(): string {
    return this.#entry.id;
  }

  address(address: string): void {
    this.#entry.address(address);
    if (this.#slot.request.seq === this.seq) this.#slot.request.address = address;
  }

  end(outcome: Outcome): void {
    this.#entry.end(outcome);
    if (this.#ended) return;
    this.#ended = true;
    this.#recent.ended(this.#slot, this.seq, outcome);
  }
}

class Recent implements RecentDecisions {
  readonly run: string;
  readonly since: number;
  readonly counters: DecisionCounters = {
    allowed: 0,
    denied: 0,
    wouldDeny: 0,
    open: 0,
    failed: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
  revision = 0;
  readonly #passed: Ring;
  readonly #refused: Ring;
  readonly #places = new DeniedPlaces(mostPlaces);
  readonly #listeners = new Set<() => void>();
  readonly #wall: () => number;
  readonly #clock: () => number;

  constructor(run: string, { keep = 200, now }: WatchOptions) {
    this.run = run;
    this.#passed = new Ring(keep);
    this.#refused = new Ring(keep);
    this.#wall = now ?? Date.now;
    this.#clock = now ?? (() => performance.now());
    this.since = this.#wall();
  }

  opened(record: VerdictRecord, seq: number): Slot {
    const time = this.#wall();
    const passed = record.verdict === 'allow';
    const slot = (passed ? this.#passed : this.#refused).next();
    slot.request.fill(record, seq, time);
    slot.started = this.#clock();
    slot.outcome = null;
    slot.duration = null;
    if (passed) this.counters.allowed++;
    else {
      if (record.verdict === 'deny') this.counters.denied++;
      else this.counters.wouldDeny++;
      this.#places.add(record, seq, time);
    }
    this.counters.open++;
    this.#changed(slot);
    return slot;
  }

  ended(slot: Slot, seq: number, outcome: Outcome): void {
    const { counters } = this;
    counters.open--;
    counters.bytesIn += outcome.bytesIn;
    counters.bytesOut += outcome.bytesOut;
    if (outcome.error !== null) counters.failed++;
    if (slot.request.seq === seq) {
      slot.outcome = outcome;
      slot.duration = this.#clock() - slot.started;
      this.#changed(slot);
    } else this.#changed(null);
  }

  latest(limit = Number.POSITIVE_INFINITY): RecentDecision[] {
    const slots = [...this.#passed.filled(), ...this.#refused.filled()];
    return slots
      .sort((a, b) => b.request.seq - a.request.seq)
      .slice(0, limit)
      .map((slot) => this.#copy(slot));
  }

  changedSince(revision: number): RecentDecision[] {
    return [...this.#passed.filled(), ...this.#refused.filled()]
      .filter((slot) => slot.revision > revision)
      .sort((a, b) => a.revision - b.revision)
      .map((slot) => this.#copy(slot));
  }

  find(id: string): RecentDecision | null {
    const dash = id.lastIndexOf('-');
    const digits = id.slice(dash + 1);
    if (id.slice(0, dash) !== this.run || !/^[1-9]\d{0,15}$/.test(digits)) return null;
    const seq = Number(digits);
    const slot = this.#passed.find(seq) ?? this.#refused.find(seq);
    if (slot !== null) return this.#copy(slot);
    const request = this.#places.find(seq);
    // Its end is not known here: the place remembers the request alone.
    return request === null
      ? null
      : { id, request: new KeptRequest().copy(request), outcome: null, duration: null, revision: 0 };
  }

  deniedMost(limit = mostPlaces): DeniedPlace[] {
    return this.#places.most(limit).map((place) => ({ ...place, last: new KeptRequest().copy(place.last) }));
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(slot: Slot | null): void {
    this.revision++;
    if (slot !== null) slot.revision = this.revision;
    for (const listener of this.#listeners) listener();
  }

  #copy({ request, outcome, duration, revision }: Slot): RecentDecision {
    const id = `${this.run}-${request.seq}`;
    return { id, request: new KeptRequest().copy(request), outcome, duration, revision };
  }
}

class Ring {
  readonly #slots: readonly Slot[];
  #next = 0;

  constructor(size: number) {
    this.#slots = Array.from({ length: size }, () => new Slot());
  }

  /** The slot of the oldest, to be filled anew. */
  next(): Slot {
    const slot = this.#slots[this.#next];
    if (slot === undefined) throw new RangeError('a memory of no decisions was asked to remember one');
    this.#next = this.#next + 1 === this.#slots.length ? 0 : this.#next + 1;
    return slot;
  }

  filled(): Slot[] {
    return this.#slots.filter(({ request }) => request.seq > 0);
  }

  find(seq: number): Slot | null {
    return this.#slots.find(({ request }) => request.seq === seq) ?? null;
  }
}
