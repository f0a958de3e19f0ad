import { objectOf, textIn } from './json-fields.ts';

/** What a line of a pull's progress changed: a layer that is done, or something that only a live display shows. */
export type PullStep = { readonly kind: 'moved' } | { readonly kind: 'layer'; readonly layer: string };

interface Layer {
  bytes: number;
  total: number;
  done: boolean;
}

/** Adds up what the engine says while it pulls an image (its API: one JSON object per event, with `id` per layer). */
export class PullProgress {
  readonly #image: string;
  readonly #layers = new Map<string, Layer>();

  constructor(image: string) {
    this.#image = image;
  }

  /** Takes an event; null where it says nothing about a layer. */
  take(event: unknown): PullStep | null {
    const fields = objectOf(event);
    const id = textIn(fields, 'id');
    const status = textIn(fields, 'status');
    if (id === undefined || status === undefined) return null;
    // The first event of a pull has the tag for its id.
    if (/^Pulling from /.test(status)) return null;
    const layer = this.#layers.get(id) ?? { bytes: 0, total: 0, done: false };
    this.#layers.set(id, layer);
    const { current, total } = objectOf(fields.progressDetail);
    if (status === 'Downloading') {
      if (typeof current === 'number') layer.bytes = current;
      if (typeof total === 'number' && total > 0) layer.total = total;
    } else if (status === 'Download complete' || status === 'Extracting') {
      layer.bytes = Math.max(layer.bytes, layer.total);
    } else if ((status === 'Pull complete' || status === 'Already exists') && !layer.done) {
      layer.bytes = Math.max(layer.bytes, layer.total);
      layer.done = true;
      return { kind: 'layer', layer: id };
    }
    return { kind: 'moved' };
  }

  /** `pulling IMAGE: 3 of 7 layers, 12.5 of 120.0 MB`. */
  text(): string {
    const layers = [...this.#layers.values()];
    if (layers.length === 0) return `pulling ${this.#image}`;
    const done = layers.filter((layer) => layer.done).length;
    const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
    const total = layers.reduce((sum, layer) => sum + Math.max(layer.total, layer.bytes), 0);
    const amount = total === 0 ? '' : `, ${megabytes(bytes)} of ${megabytes(total)} MB`;
    return `pulling ${this.#image}: ${done} of ${layers.length} layers${amount}`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
