import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cleanEnvironment } from './boundary.ts';

/** A command on a pseudo-terminal of its own (script(1) makes it), which is its controlling terminal. */
export interface Terminal {
  readonly process: ChildProcess;
  /** Types. `\x03` is ^C, `\x1a` is ^Z, `\x04` is ^D. */
  type(text: string): void;
  /** Resolves when what came since the last match holds one; fails with everything when the command ends first. */
  shows(pattern: RegExp): Promise<void>;
  /** Everything that was shown so far, with `\n` for the terminal's line ends. */
  screen(): string;
  /** The exit code of the command. */
  readonly ended: Promise<number | null>;
}

export function openTerminal(command: string, env: NodeJS.ProcessEnv = {}): Terminal {
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    env: { ...cleanEnvironment(), TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  let from = 0;
  child.stdin.on('error', () => {});
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown = (shown + chunk).replaceAll('\r\n', '\n');
  });
  const closed = once(child, 'close');
  let over = false;
  void closed.then(() => {
    over = true;
  });
  return {
    process: child,
    type: (text) => child.stdin.write(text),
    async shows(pattern) {
      for (;;) {
        const match = pattern.exec(shown.slice(from));
        if (match !== null) {
          from += match.index + match[0].length;
          return;
        }
        if (over) throw new Error(`it ended before it showed ${pattern}:\n${shown}`);
        const stop = new AbortController();
        const more = once(child.stdout, 'data', { signal: stop.signal }).catch(() => {});
        await Promise.race([more, closed]);
        stop.abort();
      }
    },
    screen: () => shown,
    ended: closed.then(([code]: (number | null)[]) => code ?? null),
  };
}
