import type { ServerResponse } from 'node:http';
import type { RecentDecisions } from '../../audit/recent-decisions.ts';
import { decisionView } from './decision-view.ts';

/** Milliseconds between a change and its event: changes within it go out together. */
const gatherMs = 200;
/** Milliseconds between two looks at the state, where nothing is asked for. */
const lookMs = 1000;
/** How many looks there are between two heartbeats: 15 seconds. */
const beatLooks = 15;
/** How many heartbeats a reader may miss that takes nothing. */
const mostMissed = 2;
/** Most decisions in one write, so that little waits for a slow reader. */
const mostPerWrite = 64;

interface Subscriber {
  readonly response: ServerResponse;
  /** What it was sent is what had changed up to here. */
  revision: number;
  state: string;
  /** Heartbeats that found what was written before still waiting. */
  missed: number;
}

/**
 * The streams of server-sent events (HTML standard, section 9.2): `decision` for every request at its verdict and at its
 * end, `state` when the state changed and at every heartbeat. An event says how things stand, not what changed, so a
 * reader that is slow misses steps, never the result, and what waits for it is bounded. With nobody there it costs
 * nothing.
 */
export class EventStreams {
  readonly #recent: RecentDecisions;
  readonly #state: () => string;
  readonly #most: number;
  readonly #subscribers = new Set<Subscriber>();
  #unsubscribe: (() => void) | null = null;
  #gathering: NodeJS.Timeout | null = null;
  #looking: NodeJS.Timeout | null = null;
  #looks = 0;
  #batch: { readonly from: number; readonly to: number; readonly at: number; readonly text: string } | null =
    null;

  /**
   * @param state the state as JSON
   * @param most how many streams there may be at once
   */
  constructor(recent: RecentDecisions, state: () => string, most = 32) {
    this.#recent = recent;
    this.#state = state;
    this.#most = most;
  }

  get full(): boolean {
    return this.#subscribers.size >= this.#most;
  }

  /**
   * Begins a stream on a response whose head was not sent.
   * @param lastEventId what the reader had last: it gets what changed since; everything that is remembered where it is
   *   null or of another run
   */
  open(response: ServerResponse, lastEventId: string | null): void {
    const known = lastEventId === null ? null : this.#revisionOf(lastEventId);
    const subscriber: Subscriber = { response, revision: known ?? 0, state: '', missed: 0 };
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      // nginx would gather events otherwise.
      'X-Accel-Buffering': 'no',
    });
    response.write(
      `retry: 2000\n\n${lastEventId !== null && known === null ? 'event: reset\ndata: {}\n\n' : ''}`,
    );
    response.on('drain', () => this.#send(subscriber));
    response.on('error', () => response.destroy());
    response.once('close', () => this.#leave(subscriber));
    this.#subscribers.add(subscriber);
    this.#start();
    this.#tell(subscriber, this.#state());
    this.#send(subscriber);
  }

  close(): void {
    for (const { response } of this.#subscribers) response.destroy();
    this.#subscribers.clear();
    this.#stop();
  }

  #leave(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size === 0) this.#stop();
  }

  #start(): void {
    this.#looking ??= setInterval(() => this.#look(), lookMs).unref();
    this.#unsubscribe ??= this.#recent.subscribe(() => {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = null;
        // With the counters, so that they and the list say the same.
        const state = this.#state();
        for (const subscriber of this.#subscribers) {
          this.#send(subscriber);
          if (!subscriber.response.writableNeedDrain && subscriber.state !== state)
            this.#tell(subscriber, state);
        }
      }, gatherMs).unref();
    });
  }

  #stop(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    if (this.#gathering !== null) clearTimeout(this.#gathering);
    if (this.#looking !== null) clearInterval(this.#looking);
    this.#gathering = null;
    this.#looking = null;
    this.#batch = null;
    this.#looks = 0;
  }

  #look(): void {
    this.#looks = (this.#looks + 1) % beatLooks;
    const beat = this.#looks === 0;
    const state = this.#state();
    for (const subscriber of this.#subscribers) {
      const { response } = subscriber;
      if (!response.writableNeedDrain) {
        subscriber.missed = 0;
        if (beat) response.write(': heartbeat\n\n');
        if (beat || subscriber.state !== state) this.#tell(subscriber, state);
      } else if (beat && ++subscriber.missed > mostMissed) response.destroy();
    }
  }

  #tell(subscriber: Subscriber, state: string): void {
    subscriber.state = state;
    subscriber.response.write(`event: state\ndata: ${state}\n\n`);
  }

  /** Sends what changed, as far as the reader takes it; the rest when it has. */
  #send(subscriber: Subscriber): void {
    const { response } = subscriber;
    while (
      !response.writableNeedDrain &&
      !response.destroyed &&
      subscriber.revision < this.#recent.revision
    ) {
      const { to, text } = this.#after(subscriber.revision);
      subscriber.revision = to;
      if (text !== '') response.write(text);
    }
  }

  /** The events after a revision, made once for all readers that stand there. */
  #after(from: number): { readonly to: number; readonly text: string } {
    const at = this.#recent.revision;
    if (this.#batch?.from === from && this.#batch.at === at) return this.#batch;
    const changed = this.#recent.changedSince(from);
    const sent = changed.slice(0, mostPerWrite);
    const to = changed.length > sent.length ? (sent.at(-1)?.revision ?? at) : at;
    const text = sent
      .map(
        (decision) =>
          `id: ${this.#recent.run}.${decision.revision}\nevent: decision\ndata: ${JSON.stringify(decisionView(decision))}\n\n`,
      )
      .join('');
    this.#batch = { from, to, at, text };
    return this.#batch;
  }

  /** The revision that an event id of this run stands for; null for any other text. */
  #revisionOf(id: string): number | null {
    const [, run, digits] = /^([0-9a-z]+)\.(\d{1,15})$/i.exec(id) ?? [];
    const revision = Number(digits);
    return run === this.#recent.run && revision <= this.#recent.revision ? revision : null;
  }
}
