import { constants } from 'node:os';

/** What would end this process, and what a command may be sent beside it. */
const HELD = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

const ENDING: ReadonlySet<string> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']);

/** A signal came before the command was there to take it. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }

  /** As a shell reports it. */
  get exitCode(): number {
    return 128 + constants.signals[this.signal];
  }
}

/** Signals that are kept from ending this process, so that it can remove what it made. */
export interface HeldSignals extends Disposable {
  /** Aborted, with {@link Interrupted}, by a signal that comes before `handTo` and would have ended the process. */
  readonly interrupted: AbortSignal;
  /** From now on they are handed on. */
  handTo(take: (signal: NodeJS.Signals) => void): void;
}

export function holdSignals(): HeldSignals {
  const interruption = new AbortController();
  let take: ((signal: NodeJS.Signals) => void) | null = null;
  const hold = (signal: NodeJS.Signals) => {
    if (take !== null) take(signal);
    else if (ENDING.has(signal)) interruption.abort(new Interrupted(signal));
  };
  for (const signal of HELD) process.on(signal, hold);
  return {
    interrupted: interruption.signal,
    handTo(next) {
      take = next;
      // One that came when the start could not be ended any more.
      const { reason } = interruption.signal;
      if (reason instanceof Interrupted) next(reason.signal);
    },
    [Symbol.dispose]() {
      for (const signal of HELD) process.removeListener(signal, hold);
    },
  };
}
