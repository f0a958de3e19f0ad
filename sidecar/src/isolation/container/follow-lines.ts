import type { Container } from 'dockerode';
import { FrameReader, frames } from './frames.ts';

/** How long a container that ended may take to start again before its lines are asked for anew, in milliseconds. */
const RESTART_POLL_MS = 500;

/** A following of lines that is under way. */
export interface Following {
  /** Resolves when the container has ended and all its lines were told. */
  finish(): Promise<void>;
}

/**
 * Tells each line that a container without a terminal writes to standard error from now on, through restarts of it.
 * Lines that cannot be had are left out: they are for people, the audit file is the record.
 */
export async function followLines(container: Container, tell: (line: string) => void): Promise<Following> {
  let finishing = false;
  // Each line comes with its time, so that a following begins behind the last one that was there or was told.
  let last = await lastTime(container);
  const following = (async () => {
    for (;;) {
      const from = last === '' ? {} : { since: secondsOf(last) };
      try {
        const log = await container.logs({ follow: true, stderr: true, timestamps: true, ...from });
        for await (const line of stderrLines(log as AsyncIterable<Uint8Array>)) {
          const time = timeOf(line);
          if (time <= last) continue;
          last = time;
          tell(line.slice(time.length + 1));
        }
      } catch {
        // The engine or the container is gone, or on its way back.
      }
      if (finishing) return;
      await new Promise((resolve) => setTimeout(resolve, RESTART_POLL_MS));
      if (finishing) return;
    }
  })();
  return {
    async finish() {
      finishing = true;
      await following;
    },
  };
}

/** When a container wrote its last line, or the empty text. */
async function lastTime(container: Container): Promise<string> {
  try {
    const log = await container.logs({ follow: false, stderr: true, timestamps: true, tail: 1 });
    return timeOf(Buffer.concat([...frames([log])].map(({ bytes }) => bytes)).toString());
  } catch {
    return '';
  }
}

/** The time before a line: RFC 3339 with nine digits of the second, so that texts compare as times do. */
function timeOf(line: string): string {
  return line.slice(0, Math.max(0, line.indexOf(' ')));
}

async function* stderrLines(log: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const reader = new FrameReader();
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of log) {
    for (const { stream, bytes } of reader.read(chunk)) {
      if (stream !== 2) continue;
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  }
}

/** Such a time as the seconds that the engine's `since` takes. */
function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1000);
}
