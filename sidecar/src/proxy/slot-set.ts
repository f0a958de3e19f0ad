/** What can stand in a SlotSet, in one of them at a time. */
export interface Slotted {
  /** Where it stands; -1 outside. Kept by the set. */
  slot: number;
}

/**
 * A set for members that come and go with every request.
 *
 * V8's own Set makes a new table each time that deletions have used one up, and leaves the old table pointing to the
 * new one. Once such a table has grown old, it keeps every younger one alive, with the members that it held, until the
 * next full collection: whole requests survived that were long done, and collecting them took a sixth of the time.
 */
export class SlotSet<T extends Slotted> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    if (member.slot !== -1) return;
    member.slot = this.#members.length;
    this.#members.push(member);
  }

  delete(member: T): void {
    const { slot } = member;
    if (slot === -1) return;
    member.slot = -1;
    const last = this.#members.pop() as T;
    if (last === member) return;
    this.#members[slot] = last;
    last.slot = slot;
  }

  /** The members of this moment: they may leave while they are gone through. */
  [Symbol.iterator](): ArrayIterator<T> {
    return [...this.#members].values();
  }
}
