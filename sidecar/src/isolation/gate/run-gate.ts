import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { writeWhole } from '../../certificates/write-whole.ts';
import { boundSocket, closeDescriptor, sendDescriptors } from '../system-calls.ts';
import { type GateStatus, gateFiles, lineReader } from './handover-protocol.ts';
import { type ImpatienceOptions, impatience } from './impatience.ts';
import { closeNamespace } from './namespace-setup.ts';

const BACKLOG = 4_096;
/** How often a sidecar is asked whether it still moves, in milliseconds, and the silence after which it does not. */
const BEAT_MS = 2_000;
const SILENCE_MS = 6_000;

export interface GateOptions extends ImpatienceOptions {
  /** Shared with the sidecar, which only has to read it. */
  readonly directory: string;
}

export interface Gate {
  readonly tcpPort: number;
  readonly udpPort: number;
  close(): Promise<void>;
}

/**
 * Closes the network namespace it runs in and stands at its only way out: two sockets, which it hands to every sidecar
 * that asks. No byte of the workspace's goes through this process. It keeps its copies, so that connections wait in the
 * kernel's queue while a sidecar starts again.
 *
 * Each start takes new ports: a sidecar may still hold the sockets of an earlier gate, and those cannot be bound again.
 * @throws NamespaceFault, SystemCallError; nothing is left listening then
 */
export async function runGate(options: GateOptions): Promise<Gate> {
  const { directory, say } = options;
  const files = gateFiles(directory);
  // What an earlier gate said of itself is nothing to those who wait for this one.
  rmSync(files.status, { force: true });
  const tcp = boundSocket('stream', BACKLOG);
  const udp = boundSocket('datagram');
  const id = randomBytes(8).toString('hex');
  closeNamespace({ tcp: tcp.port, udp: udp.port });
  const watchers = new Map<string, Socket>();
  const waiting = impatience({ tcp, udp }, options);
  let stopping = false;
  const server = createServer((socket) => {
    let heard = 0;
    socket.on('error', () => socket.destroy());
    const read = lineReader((line) => {
      const [word, nonce = ''] = line.split(' ', 2);
      heard = performance.now();
      if (word === 'WATCH') {
        watch(socket, nonce, () => performance.now() - heard);
        socket.write(`SOCKETS ${id}\n`);
      } else if (word === 'PONG') {
        // It moves, as noted above.
      } else if (word === 'TAKE') {
        handOver(socket, nonce);
      } else if (word === 'HEALTH') {
        socket.end(`${watchers.size > 0 ? 'served' : 'waiting'}\n`);
      } else socket.destroy();
    });
    socket.on('data', read);
  });

  /** @param silence since it last said something, in milliseconds */
  function watch(socket: Socket, sidecar: string, silence: () => number): void {
    watchers.set(sidecar, socket);
    waiting.end();
    say('a sidecar is there');
    // One that stands still keeps its connection, and takes none of the workspace's.
    const beat = setInterval(() => {
      if (silence() < SILENCE_MS) socket.write('PING\n');
      else socket.destroy();
    }, BEAT_MS);
    socket.once('close', () => {
      clearInterval(beat);
      if (watchers.get(sidecar) === socket) watchers.delete(sidecar);
      if (stopping || watchers.size > 0) return;
      const still = silence() >= SILENCE_MS;
      say(`${still ? 'the sidecar stands still' : 'no sidecar is there'}; new connections wait for it`);
      waiting.begin(still ? SILENCE_MS : 0);
    });
  }

  /** @param nonce `SIDECAR-NUMBER`: the watch it belongs to stands before the dash */
  function handOver(socket: Socket, nonce: string): void {
    const sidecar = nonce.split('-', 1)[0] ?? '';
    try {
      sendDescriptors(descriptorOf(socket), [tcp.fd, udp.fd]);
      watchers.get(sidecar)?.write(`SENT ${nonce}\n`);
    } catch (error) {
      say(`the sockets could not be handed over: ${error instanceof Error ? error.message : error}`);
      socket.destroy();
    }
  }

  rmSync(files.socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(files.socket, resolve);
  });
  server.on('error', (error) => say(`the hand-over socket has a fault: ${error.message}`));
  // A sidecar of another user connects to it; what it gets is what the workspace sends, which is for the sidecar.
  chmodSync(files.socket, 0o666);
  writeStatus(directory, { state: 'ready' });
  waiting.begin();
  return {
    tcpPort: tcp.port,
    udpPort: udp.port,
    async close() {
      // Nobody is refused here any more: a sidecar may serve on with its copies of the sockets.
      stopping = true;
      waiting.end();
      for (const socket of watchers.values()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      closeDescriptor(tcp.fd);
      closeDescriptor(udp.fd);
    },
  };
}

/** Says in the gate's directory how it fares. */
export function writeStatus(directory: string, status: GateStatus): void {
  writeWhole(gateFiles(directory).status, `${JSON.stringify(status)}\n`, 0o644);
}

/** The descriptor below a stream of node:net's, which has no public name. A test fails where it goes. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  if (handle === null || typeof handle?.fd !== 'number' || handle.fd < 0) {
    throw new Error('the connection is closed');
  }
  return handle.fd;
}
