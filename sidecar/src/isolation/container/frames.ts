/** A piece of a container's output, and the stream that it was written to. */
export interface Frame {
  readonly stream: 1 | 2;
  readonly bytes: Uint8Array;
}

/** Of each frame's header: one byte for the stream, three that are zero, four for the length, big-endian. */
const HEADER_BYTES = 8;

/** Takes apart what the engine sends where a container has no terminal (its API, "Stream format" of attach). */
export class FrameReader {
  #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  #left = 0;
  #stream: 1 | 2 = 1;

  /** The frames, or parts of frames, that a chunk brings. */
  *read(chunk: Uint8Array): Generator<Frame> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const taken = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < HEADER_BYTES) return;
        this.#headerBytes = 0;
        this.#stream = this.#header[0] === 2 ? 2 : 1;
        this.#left = this.#header.readUInt32BE(4);
        continue;
      }
      const taken = Math.min(this.#left, chunk.length - at);
      yield { stream: this.#stream, bytes: chunk.subarray(at, at + taken) };
      this.#left -= taken;
      at += taken;
    }
  }
}

/** The frames of chunks that are all there. */
export function* frames(chunks: Iterable<Uint8Array>): Generator<Frame> {
  const reader = new FrameReader();
  for (const chunk of chunks) yield* reader.read(chunk);
}
