import { Histogram, type Registry } from 'prom-client';

/**
 * A prom-client histogram without labels whose observations are plain additions to arrays. The inherited `observe`
 * hashes labels and validates on every call, which costs ten times as much; only what is rendered is replaced.
 */
export class ArrayHistogram extends Histogram {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds upper bounds of the buckets, ascending, without +Inf */
  constructor(options: { name: string; help: string; bounds: readonly number[]; registry: Registry }) {
    super({
      name: options.name,
      help: options.help,
      buckets: [...options.bounds],
      registers: [options.registry],
    });
    this.#name = options.name;
    this.#bounds = options.bounds;
    this.#counts = new Float64Array(options.bounds.length + 1);
  }

  /** Counts one value. What is not a finite number is left out: one NaN would spoil the sum for ever. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) index++;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#sum += value;
  }

  override async get() {
    const values: { value: number; labels: { le?: number | string }; metricName: string }[] = [];
    let running = 0;
    for (const [index, count] of this.#counts.entries()) {
      running += count;
      const le = this.#bounds[index] ?? '+Inf';
      values.push({ value: running, labels: { le }, metricName: `${this.#name}_bucket` });
    }
    values.push({ value: this.#sum, labels: {}, metricName: `${this.#name}_sum` });
    values.push({ value: running, labels: {}, metricName: `${this.#name}_count` });
    return { ...(await super.get()), values };
  }

  /** What `Registry.metrics()` calls on a histogram in place of `get`. */
  getForPromString() {
    return this.get();
  }
}
