import type { Duplex } from 'node:stream';
import type { AuditEntry } from '../audit/types.ts';
import type { Policy } from '../policy/types.ts';
import type { Target } from '../target/types.ts';
import type { Live, ProxyCore } from './core.ts';
import { breakOff } from './last-words.ts';
import { ReadBuffer } from './read-buffer.ts';
import type { RawReader } from './upstream-types.ts';
import { refusedNow } from './verdict.ts';

export interface TunnelPurpose {
  readonly target: Target;
  readonly entry: AuditEntry;
  /** Those that may be dialled, or are; none where a corporate proxy resolves. */
  readonly addresses: readonly string[];
  /** For the record: 101 for an upgrade, 200 for a CONNECT. */
  readonly status: number;
  /** Gives back what the rules' limits count. */
  release(): void;
}

/**
 * Passes bytes both ways, unread, with back-pressure and half-close: one side's end becomes the other's, and what
 * breaks on one side breaks the other. It lives until both ends have come.
 */
export class Tunnel implements Live {
  readonly kind = 'work';
  slot = -1;
  readonly #core: ProxyCore;
  readonly #client: Duplex;
  readonly #purpose: TunnelPurpose;
  readonly #buffer = new ReadBuffer();
  /** For `UpstreamClient.connect`: the upstream's bytes, from the first one on. */
  readonly reader: RawReader;
  #upstream: Duplex | null = null;
  #address: string | null = null;
  #bytesIn = 0;
  #bytesOut = 0;
  #inFlight = false;
  #done = false;

  constructor(core: ProxyCore, client: Duplex, purpose: TunnelPurpose) {
    this.#core = core;
    this.#client = client;
    this.#purpose = purpose;
    this.reader = { buffer: () => this.#buffer.current, read: (bytes) => this.#fromUpstream(bytes) };
    core.live.add(this);
    core.options.metrics.connectionOpened('tunnel');
    client.on('error', () => this.close('client-reset'));
    client.on('close', () => this.#clientClosed());
  }

  get done(): boolean {
    return this.#done;
  }

  addressed(address: string | null): void {
    this.#address = address;
    if (address !== null) this.#purpose.entry.address(address);
  }

  /**
   * Begins to pass bytes.
   * @param head what came from the upstream behind its 101; with `reader` there is none
   */
  join(upstream: Duplex, head: Buffer | null): void {
    const client = this.#client;
    if (this.#done) {
      upstream.destroy();
      return;
    }
    this.#upstream = upstream;
    upstream.on('error', () => this.close('upstream-reset'));
    upstream.on('close', () => this.#upstreamClosed());
    upstream.on('end', () => client.end());
    upstream.on('drain', () => client.resume());
    client.on('data', (chunk: Buffer) => {
      this.#bytesIn += chunk.length;
      if (!upstream.write(chunk)) client.pause();
    });
    client.on('end', () => upstream.end());
    if (head !== null) {
      if (head.length > 0) this.#plainData(head);
      upstream.on('data', (chunk: Buffer) => this.#plainData(chunk));
      client.on('drain', () => upstream.resume());
    }
    upstream.resume();
    client.resume();
  }

  /** Bytes of the client's that were read to find out what it speaks. */
  replay(upstream: Duplex, bytes: Buffer): void {
    this.#bytesIn += bytes.length;
    upstream.write(bytes);
  }

  refusedBy(policy: Policy): boolean {
    const { target, addresses } = this.#purpose;
    if (target.kind === 'tunnel') {
      const treatment = policy.treat(target);
      // What is to be opened from now on may not go on unopened.
      if (treatment.kind === 'sniff' && (target.protocol === 'tcp' || treatment.tls === 'open')) return true;
    }
    return refusedNow(policy, target, addresses, this.#address);
  }

  close(cause: string): void {
    if (this.#done) return;
    this.#finish(cause);
    breakOff(this.#client);
    if (this.#upstream !== null) breakOff(this.#upstream);
  }

  /** Ends it where no upstream was reached and the client was told. */
  abandon(cause: string, status: number): void {
    if (!this.#done) this.#finish(cause, status);
  }

  #plainData(chunk: Buffer): void {
    this.#bytesOut += chunk.length;
    if (!this.#client.write(chunk)) this.#upstream?.pause();
  }

  /** The buffer is read into again only when the kernel or the client's TLS has all of it. */
  #fromUpstream(bytes: Uint8Array): boolean {
    if (this.#done) return false;
    this.#bytesOut += bytes.length;
    const octets = bytes.length;
    this.#client.write(bytes, () => {
      if (!this.#inFlight) return;
      this.#inFlight = false;
      this.#buffer.filled(octets, false);
      this.#upstream?.resume();
    });
    if (this.#client.writableLength === 0) {
      this.#buffer.filled(octets, true);
      return true;
    }
    this.#inFlight = true;
    return false;
  }

  #clientClosed(): void {
    const clean = this.#client.readableEnded && this.#client.writableFinished;
    if (this.#done || clean) {
      this.#settle();
      return;
    }
    this.close('client-abort');
  }

  #upstreamClosed(): void {
    const upstream = this.#upstream;
    if (this.#done || (upstream?.readableEnded && upstream.writableFinished)) {
      this.#settle();
      return;
    }
    this.close('upstream-reset');
  }

  /** Both sides have ended: nobody broke it off. */
  #settle(): void {
    if (this.#done) return;
    if (!this.#client.closed || this.#upstream?.closed !== true) return;
    this.#finish(null);
  }

  #finish(error: string | null, status = this.#purpose.status): void {
    this.#done = true;
    this.#core.live.delete(this);
    this.#purpose.release();
    if (!this.#inFlight) this.#buffer.release();
    const { metrics } = this.#core.options;
    metrics.connectionClosed('tunnel');
    metrics.bytes('in', this.#bytesIn);
    metrics.bytes('out', this.#bytesOut);
    this.#purpose.entry.end({ status, bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, error });
  }
}
