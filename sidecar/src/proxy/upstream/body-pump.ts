import type { Readable } from 'node:stream';

/** Where a request's body goes. */
export interface BodyOutlet {
  /** False asks to wait for `drained`. */
  write(chunk: Buffer): boolean;
  end(): void;
  /** The body broke off before its end. */
  broken(): void;
}

/** Carries a request's body to an upstream with back-pressure. The body itself is never destroyed here. */
export class BodyPump {
  readonly #body: Readable;
  readonly #outlet: BodyOutlet;
  #running = true;

  constructor(body: Readable, outlet: BodyOutlet) {
    this.#body = body;
    this.#outlet = outlet;
  }

  start(): void {
    const body = this.#body;
    body
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onBroken)
      .on('close', this.#onBroken);
    if (body.readableEnded) process.nextTick(this.#onEnd);
    else if (body.destroyed) process.nextTick(this.#onBroken);
    else body.resume();
  }

  drained(): void {
    if (this.#running) this.#body.resume();
  }

  /** Lets go of the body, paused. */
  stop(): void {
    if (!this.#running) return;
    this.#running = false;
    const body = this.#body;
    body
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onBroken)
      .off('error', this.#onBroken);
    if (!body.readableEnded && !body.destroyed) body.pause();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#outlet.write(chunk) && this.#running) this.#body.pause();
  };

  readonly #onEnd = (): void => {
    if (!this.#running) return;
    this.stop();
    this.#outlet.end();
  };

  readonly #onBroken = (): void => {
    if (!this.#running) return;
    this.stop();
    this.#outlet.broken();
  };
}
