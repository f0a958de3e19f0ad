import type { Socket } from 'node:net';
import type { AuditLog } from '../audit/types.ts';
import type { CertificateAuthority } from '../certificates/types.ts';
import type { Metrics } from '../metrics/types.ts';
import type { Policy } from '../policy/types.ts';
import type { Resolver } from '../resolver/types.ts';
import type { Endpoint } from '../target/types.ts';
import type { UpstreamClient } from './upstream-types.ts';

/** An address somebody listens on. A wildcard (`0.0.0.0`, `::`) stands for every address of this machine. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** All in milliseconds. */
export interface ProxyTimeouts {
  /** A request head, a ClientHello, the first bytes of a tunnel, a TLS handshake with the client. Default 30 s. */
  readonly head?: number;
  /** A kept-alive connection on which nothing is asked. Default 120 s. */
  readonly idle?: number;
}

export interface ProxyOptions {
  readonly listen: ListenAddress;
  /** The policy in force, asked for each verdict anew. */
  policy(): Policy;
  readonly authority: CertificateAuthority;
  readonly resolver: Resolver;
  readonly audit: AuditLog;
  readonly metrics: Metrics;
  readonly upstream: UpstreamClient;
  /** Every TCP address that boundary itself listens on; none is ever dialled. The proxy's own is known anyway. */
  ownListeners(): readonly ListenAddress[];
  /** True where a corporate proxy stands upstream: then names are not looked up here, it resolves them. */
  readonly chained?: boolean;
  /** Redirected connections to it pass whatever the policy says. */
  readonly deployment?: Endpoint | null;
  readonly timeouts?: ProxyTimeouts;
  /** Client connections beyond this are closed at once, on record. Default 8192. */
  readonly maxConnections?: number;
}

export interface RunningProxy {
  /** Where it really listens. */
  readonly address: ListenAddress;
  /**
   * Takes a connection whose client believes that it speaks with `endpoint`. The socket is paused and half-open.
   */
  redirected(socket: Socket, endpoint: Endpoint): void;
  /** Resets a redirected connection that leads nowhere, with a record. */
  refuseRedirected(socket: Socket, destination: Endpoint | null, reason: string): void;
  /** To be called after `policy()` changed: closes every connection that the new policy would refuse. */
  policyChanged(): void;
  /** Stops accepting, lets what is open end for at most `ms`, then closes the rest. Resolves when all is closed. */
  drain(ms: number): Promise<void>;
}
