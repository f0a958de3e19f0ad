import { Readable } from 'node:stream';

/** The policy's `request_body` is exceeded: nothing more is read, and what was sent must not look complete. */
export class BodyTooLarge extends Error {
  override name = 'BodyTooLarge';
}

/** A request body on its way upstream: counted, and cut at a limit. Reads no further ahead than its reader asks. */
export class MeteredBody extends Readable {
  /** Octets seen so far. */
  bytes = 0;
  readonly #source: Readable;

  /** @param limit octets */
  constructor(source: Readable, limit: number) {
    super({ highWaterMark: 65_536 });
    this.#source = source;
    source.on('data', (chunk: Buffer) => {
      if (this.destroyed) return;
      this.bytes += chunk.length;
      if (this.bytes > limit) this.destroy(new BodyTooLarge(`The body is larger than ${limit} bytes.`));
      else if (!this.push(chunk)) source.pause();
    });
    source.on('end', () => {
      if (!this.destroyed) this.push(null);
    });
    source.on('error', (error) => this.destroy(error));
    source.on('close', () => {
      if (!source.readableEnded) this.destroy(new Error('The client went away within its request.'));
    });
    source.pause();
    // A failed body is reported through the upstream exchange; without a listener it would end the process.
    this.on('error', () => {});
  }

  override _read(): void {
    this.#source.resume();
  }
}
