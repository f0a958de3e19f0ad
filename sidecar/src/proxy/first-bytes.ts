import type { Duplex } from 'node:stream';
import { type ClientHello, readClientHello } from '../target/client-hello.ts';
import { sniff } from '../target/sniff.ts';

/** What a connection begins with. `bytes` is everything that was read for it. */
export type FirstBytes =
  | { readonly kind: 'tls'; readonly hello: ClientHello; readonly bytes: Buffer }
  | { readonly kind: 'http1' | 'http2' | 'other'; readonly bytes: Buffer }
  | { readonly kind: 'bad-hello'; readonly reason: string; readonly bytes: Buffer }
  /** Nothing that could be judged came within the time. */
  | { readonly kind: 'late'; readonly bytes: Buffer }
  | { readonly kind: 'closed'; readonly bytes: Buffer };

/**
 * Reads from a connection until its protocol is known, for TLS until its ClientHello is whole. The socket is left
 * paused, with nothing put back.
 * @param timeoutMs for all of it, however the bytes drip
 */
export function readFirstBytes(socket: Duplex, timeoutMs: number): Promise<FirstBytes> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (result: FirstBytes) => {
      clearTimeout(timer);
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      socket.pause();
      resolve(result);
    };
    const onData = (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const result = classify(bytes);
      if (result !== null) settle(result);
    };
    const onEnd = () => settle({ kind: 'closed', bytes });
    const timer = setTimeout(() => settle({ kind: 'late', bytes }), timeoutMs);
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    if (socket.destroyed) onEnd();
    else socket.resume();
  });
}

function classify(bytes: Buffer): FirstBytes | null {
  const kind = sniff(bytes);
  if (kind === 'more') return null;
  if (kind !== 'tls') return { kind, bytes };
  const reading = readClientHello(bytes);
  if (reading.kind === 'more') return null;
  if (reading.kind === 'invalid') return { kind: 'bad-hello', reason: reading.reason, bytes };
  return { kind: 'tls', hello: reading, bytes };
}
