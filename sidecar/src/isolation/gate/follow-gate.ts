import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { closeDescriptor, connectUnix, receiveDescriptors } from '../system-calls.ts';
import { gateFiles, HANDED_SOCKETS, lineReader } from './handover-protocol.ts';

/** The two sockets of a gate, as descriptors of this process that the receiver now owns. */
export interface HandedSockets {
  readonly tcp: number;
  readonly udp: number;
}

/** A gate says something every two seconds. After this silence it is taken to be gone, in milliseconds. */
const SILENCE_MS = 10_000;

export interface FollowGateOptions {
  /** The gate's directory. */
  readonly directory: string;
  /** A gate's sockets came. Called again for a gate that started anew; those of the old one stay usable. */
  readonly onSockets: (sockets: HandedSockets) => void;
  /** Whether a gate is there and its sockets are in use. They serve on when it is not. */
  readonly onConnected: (connected: boolean) => void;
  /** What went wrong, for people; each sentence once until something else is to be said. */
  readonly onFault: (message: string) => void;
  /** Between two attempts to reach the gate, in milliseconds. */
  readonly retryMs?: number;
}

/**
 * Takes the sockets of the gate, and again when it starts anew. Tries for as long as it runs: without a gate nothing
 * can come in, which is closed, not open.
 */
export function followGate(options: FollowGateOptions): { close(): void } {
  const { socket: path } = gateFiles(options.directory);
  const sidecar = randomBytes(8).toString('hex');
  let closed = false;
  let held: string | null = null;
  let said: string | null = null;
  let takes = 0;
  let timer: NodeJS.Timeout | undefined;
  let watch: ReturnType<typeof connect> | null = null;

  function fault(message: string): void {
    if (message === said) return;
    said = message;
    options.onFault(message);
  }

  function begin(): void {
    const pending = new Map<string, { readonly fd: number; readonly gate: string }>();
    const socket = connect(path);
    watch = socket;
    socket.on('connect', () => socket.write(`WATCH ${sidecar}\n`));
    socket.setTimeout(SILENCE_MS, () => {
      fault('the gate does not answer any more');
      socket.destroy();
    });
    const read = lineReader((line) => {
      const [word, value = ''] = line.split(' ', 2);
      if (word === 'SOCKETS') {
        said = null;
        if (value === held) options.onConnected(true);
        else ask(value);
      } else if (word === 'SENT') take(value);
      else if (word === 'PING') socket.write('PONG\n');
      else fault(`the gate said something unknown; run the same version of both`);
    });
    socket.on('data', read);
    socket.on('error', (error) => fault(`the gate cannot be reached at ${path}: ${error.message}`));
    socket.on('close', () => {
      for (const { fd } of pending.values()) closeDescriptor(fd);
      // Who closed it does not want to hear that the gate is gone: it is there.
      if (closed) return;
      options.onConnected(false);
      timer = setTimeout(begin, options.retryMs ?? 100);
    });

    function ask(gate: string): void {
      const nonce = `${sidecar}-${++takes}`;
      try {
        pending.set(nonce, { fd: connectUnix(path, `TAKE ${nonce}\n`), gate });
      } catch (error) {
        fault(`the gate's sockets cannot be asked for: ${messageOf(error)}`);
        socket.destroy();
      }
    }

    function take(nonce: string): void {
      const asked = pending.get(nonce);
      if (asked === undefined) return;
      pending.delete(nonce);
      try {
        const [tcp, udp] = receiveDescriptors(asked.fd, HANDED_SOCKETS) as [number, number];
        options.onSockets({ tcp, udp });
        held = asked.gate;
        options.onConnected(true);
      } catch (error) {
        fault(`the gate's sockets cannot be taken: ${messageOf(error)}`);
        socket.destroy();
      } finally {
        closeDescriptor(asked.fd);
      }
    }
  }

  begin();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      watch?.destroy();
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
