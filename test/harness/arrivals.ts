/** What comes in, for those who wait for it: each arrival is handed out once, in order. */
export class Arrivals<T> {
  readonly #waiting: ((arrival: T) => void)[] = [];
  readonly #arrived: T[] = [];

  push(arrival: T): void {
    const first = this.#waiting.shift();
    if (first === undefined) this.#arrived.push(arrival);
    else first(arrival);
  }

  /** The next one that nobody has taken, as soon as it is there. */
  next(): Promise<T> {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift() as T);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
