import { Counter, type Registry } from 'prom-client';

/**
 * A counter over a label whose values are all known. Each is rendered from the start, so that a rate sees the first
 * event as well.
 *
 * @returns adds to one of the values; a value that is not in the list, and a negative count, change nothing
 */
export function finiteCounter<V extends string>(
  name: string,
  help: string,
  options: { registers: Registry[]; label: string; values: readonly V[] },
): (value: V, count: number) => void {
  const counts = new Map<V, number>(options.values.map((value) => [value, 0]));
  new Counter({
    name,
    help,
    labelNames: [options.label],
    registers: options.registers,
    collect() {
      this.reset();
      for (const [value, count] of counts) this.inc({ [options.label]: value }, count);
    },
  });
  return (value, count) => {
    const before = counts.get(value);
    if (before !== undefined && count >= 0) counts.set(value, before + count);
  };
}
