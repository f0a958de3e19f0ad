import { Histogram, type Registry } from 'prom-client';

/**
 * A prom-client histogram without labels whose observations are plain additions to arrays. The inherited `observe`
 * hashes labels and validates on every call, which costs ten times as much; only what is rendered is replaced.
 */
export class ArrayHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
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
    this.#help = options.help;
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

  /** What `Registry.metrics()` renders, and what the inherited `get()` builds on. */
  async getForPromString() {
    const values: object[] = [];
    const push = (suffix: string, value: number, labels: { le?: number | string }): void => {
      values.push({ metricName: `${this.#name}_${suffix}`, value, labels, sharedLabels: {} });
    };
    let running = 0;
    for (const [index, count] of this.#counts.entries()) {
      running += count;
      push('bucket', running, { le: this.#bounds[index] ?? '+Inf' });
    }
    push('sum', this.#sum, {});
    push('count', running, {});
    return { name: this.#name, help: this.#help, type: 'histogram', values, aggregator: 'sum' };
  }
}
