import { KeptRequest } from './kept-request.ts';
import type { AuditProtocol, VerdictRecord } from './types.ts';

/** Where requests were denied (or would be), and how often. */
export interface DeniedPlace {
  readonly protocol: AuditProtocol;
  readonly host: string;
  readonly port: number | null;
  /** How many denials are known for certain. */
  readonly count: number;
  /** Whether there may have been more: the place was forgotten for a while, in favour of others. */
  readonly atLeast: boolean;
  /** The newest of them. */
  readonly last: KeptRequest;
}

interface Counted {
  key: string;
  /** What the place is ranked by: `uncertain` of it may belong to a place that was here before. */
  rank: number;
  uncertain: number;
  last: KeptRequest;
}

/**
 * Counts denials per place in a table of a fixed size, by the space-saving algorithm (Metwally, Agrawal, El Abbadi
 * 2005): where the table is full, a new place takes over the row of the least, and its rank. So who asks for ever new
 * names can neither grow the table nor push out what is denied most.
 */
export class DeniedPlaces {
  readonly #size: number;
  readonly #rows: Counted[] = [];
  readonly #byKey = new Map<string, Counted>();

  constructor(size: number) {
    this.#size = size;
  }

  /** @param time milliseconds since 1970 */
  add(record: VerdictRecord, seq: number, time: number): void {
    const { protocol, host, port } = record;
    // What became no target is counted, but it was about no place.
    if (host === null) return;
    const key = `${protocol} ${port} ${host}`;
    const row = this.#byKey.get(key) ?? this.#rowFor(key);
    row.rank++;
    row.last.fill(record, seq, time);
  }

  /** The last request that was denied at any place and has this number, or null. */
  find(seq: number): KeptRequest | null {
    return this.#rows.find(({ last }) => last.seq === seq)?.last ?? null;
  }

  /** Those that are denied most, the most first; the newer of two that are denied equally often. */
  most(limit: number): DeniedPlace[] {
    const ranked = [...this.#rows].sort(
      (a, b) => b.rank - b.uncertain - (a.rank - a.uncertain) || b.last.seq - a.last.seq,
    );
    return ranked.slice(0, limit).map(({ rank, uncertain, last }) => ({
      protocol: last.protocol,
      host: last.host ?? '',
      port: last.port,
      count: rank - uncertain,
      atLeast: uncertain > 0,
      last,
    }));
  }

  #rowFor(key: string): Counted {
    let row: Counted;
    if (this.#rows.length < this.#size) {
      row = { key, rank: 0, uncertain: 0, last: new KeptRequest() };
      this.#rows.push(row);
    } else {
      row = this.#least();
      this.#byKey.delete(row.key);
      row.key = key;
      row.uncertain = row.rank;
    }
    this.#byKey.set(key, row);
    return row;
  }

  #least(): Counted {
    let least = this.#rows[0];
    for (const row of this.#rows) if (least === undefined || row.rank < least.rank) least = row;
    if (least === undefined) throw new RangeError('a table of no rows was asked for its least');
    return least;
  }
}
