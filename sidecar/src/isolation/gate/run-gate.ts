import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { writeWhole } from '../../certificates/write-whole.ts';
import {
  type BoundSocket,
  boundSocket,
  closeDescriptor,
  duplicate,
  sendDescriptors,
} from '../system-calls.ts';
import { type GateStatus, gateFiles, lineReader } from './handover-protocol.ts';
import { closeNamespace } from './namespace-setup.ts';

/** How long connections wait for a sidecar, in milliseconds. Then they are reset, so that clients need not time out. */
const PATIENCE_MS = 10_000;
const BACKLOG = 4_096;

export interface GateOptions {
  /** Shared with the sidecar, which only has to read it. */
  readonly directory: string;
  /** Told what happens, one sentence each. */
  readonly say: (line: string) => void;
  readonly patienceMs?: number;
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
  const waiting = impatience(tcp, options);
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    const read = lineReader((line) => {
      const [word, nonce = ''] = line.split(' ', 2);
      if (word === 'WATCH') {
        watch(socket, nonce);
        socket.write(`SOCKETS ${id}\n`);
      } else if (word === 'TAKE') {
        handOver(socket, nonce);
      } else if (word === 'HEALTH') {
        socket.end(`${watchers.size > 0 ? 'served' : 'waiting'}\n`);
      } else socket.destroy();
    });
    socket.on('data', read);
  });

  function watch(socket: Socket, sidecar: string): void {
    watchers.set(sidecar, socket);
    waiting.end();
    say('a sidecar is there');
    socket.once('close', () => {
      if (watchers.get(sidecar) === socket) watchers.delete(sidecar);
      if (watchers.size > 0) return;
      say('no sidecar is there; new connections wait for it');
      waiting.begin();
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
  // A sidecar of another user connects to it; what it gets is what the workspace sends, which is for the sidecar.
  chmodSync(files.socket, 0o666);
  writeStatus(directory, { state: 'ready' });
  waiting.begin();
  return {
    tcpPort: tcp.port,
    udpPort: udp.port,
    async close() {
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

/**
 * Resets what waits once no sidecar has been there for the whole of the patience. The listening socket is accepted
 * from through a copy of its own, which closing does not take from the others.
 */
function impatience(tcp: BoundSocket, { say, patienceMs = PATIENCE_MS }: GateOptions) {
  let timer: NodeJS.Timeout | undefined;
  let resetting: Server | null = null;
  const reset = () => {
    say(`no sidecar for ${patienceMs / 1000} s; connections are reset until one is there`);
    resetting = createServer((socket) => socket.resetAndDestroy());
    resetting.on('error', (error) => say(`connections cannot be reset: ${error.message}`));
    resetting.listen({ fd: duplicate(tcp.fd) }, BACKLOG);
  };
  return {
    begin() {
      clearTimeout(timer);
      if (resetting === null) timer = setTimeout(reset, patienceMs);
    },
    end() {
      clearTimeout(timer);
      resetting?.close();
      resetting = null;
    },
  };
}

/** The descriptor below a stream of node:net's, which has no public name. A test fails where it goes. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } | null };
  if (handle === null || typeof handle?.fd !== 'number' || handle.fd < 0) {
    throw new Error('the connection is closed');
  }
  return handle.fd;
}
