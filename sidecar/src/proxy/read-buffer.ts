const SMALL = 16_384;
const LARGE = 1_048_576;
/** Large buffers kept for the next tunnel that needs one. */
const KEPT = 16;

const spare: Buffer[] = [];

/**
 * What one tunnel reads into: small while little comes, so that a thousand idle tunnels cost 16 MiB, and a
 * pooled MiB while reads fill it, which halves the cost of bulk bytes.
 */
export class ReadBuffer {
  #small = Buffer.allocUnsafeSlow(SMALL);
  #large: Buffer | null = null;

  get current(): Buffer {
    return this.#large ?? this.#small;
  }

  /**
   * To be told how many octets a read brought.
   * @param settled within the read's own callback, with the octets gone: only then may the buffer be handed on,
   * since node:net asks for the next one behind it
   */
  filled(octets: number, settled: boolean): void {
    if (this.#large === null) {
      if (octets >= SMALL) this.#large = spare.pop() ?? Buffer.allocUnsafeSlow(LARGE);
    } else if (settled && octets < SMALL) this.release();
  }

  release(): void {
    if (this.#large !== null && spare.length < KEPT) spare.push(this.#large);
    this.#large = null;
  }
}
