import type { Duplex } from 'node:stream';
import type { AuditEntry } from '../audit/types.ts';
import type { Policy, Rule, Treatment } from '../policy/types.ts';
import { checkServerName } from '../target/connect-target.ts';
import { authorityOf, urlOf } from '../target/target-text.ts';
import type { Endpoint, Target, TunnelTarget } from '../target/types.ts';
import type { ClientConnections } from './client-connection.ts';
import type { ProxyCore } from './core.ts';
import { type FirstBytes, readFirstBytes } from './first-bytes.ts';
import { breakOff, endWith } from './last-words.ts';
import { passTunnel } from './pass-tunnel.ts';
import { isSsh, sshDisconnect } from './ssh-disconnect.ts';
import { WatchedEndpoint } from './watched-endpoint.ts';

/** Where a connection goes on once its bytes are to be read as requests. */
export interface FrontEnds {
  readonly connections: ClientConnections;
  /** Plain HTTP/1.1 inside a CONNECT. The socket holds its first bytes again. */
  plain(socket: Duplex, endpoint: Endpoint): void;
  /** TLS that is opened. */
  open(socket: Duplex, endpoint: Endpoint, serverName: string | null): void;
}

/** RFC 8446 section 6: alert, fatal. 49 is access_denied, 112 unrecognized_name. */
const ALERT_DENIED = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 49]);
export const ALERT_NAME = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);
/** In mode `audit`, how long a client may be silent before the server is taken to speak first. */
const SILENCE_MS = 1_000;
/** How long a client of a denied endpoint may take to show what it speaks. Most of them say it at once. */
const DENIED_MS = 500;

/** A connection whose endpoint is known before a byte of it was read. */
export interface InsideConnection {
  readonly core: ProxyCore;
  readonly fronts: FrontEnds;
  readonly socket: Duplex;
  /**
   * What becomes of a connection that is denied whole: `cut` where the client was told already (CONNECT), `answered`
   * where it is to be told in what it speaks, which takes opening its TLS.
   */
  readonly denied: 'cut' | 'answered';
}

/** Finds out what is spoken on a connection and hands it on. Never throws or rejects. */
export async function lookInside(
  connection: InsideConnection,
  endpoint: Endpoint,
  policy: Policy,
  treatment: Treatment,
): Promise<void> {
  const { core, socket } = connection;
  const pending = new WatchedEndpoint('pending', socket, endpoint);
  core.live.add(pending);
  // Where nothing is enforced, a server that speaks first is waited for, not cut off; where all is denied, nobody is.
  const short = treatment.kind === 'deny' ? (policy.mode === 'audit' ? SILENCE_MS : DENIED_MS) : null;
  const first = await readFirstBytes(socket, short ?? core.headTimeout);
  core.live.delete(pending);
  try {
    // A reload meanwhile: what follows is judged by the policy in force.
    const now = core.options.policy();
    const current = now === policy ? treatment : now.treat(endpoint);
    goOn(connection, endpoint, now, current, first);
  } catch (error) {
    const reason = `boundary failed on this connection: ${error instanceof Error ? error.message : error}`;
    drop(connection, { kind: 'tunnel', protocol: 'tcp', ...endpoint }, { reason });
  }
}

function goOn(
  connection: InsideConnection,
  endpoint: Endpoint,
  policy: Policy,
  treatment: Treatment,
  first: FirstBytes,
): void {
  const { core, fronts, socket } = connection;
  const opaque: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  const tls: TunnelTarget = { ...opaque, protocol: 'tls' };
  const relaxed = policy.mode === 'audit' && treatment.kind === 'deny';
  const ruled = treatment.kind === 'deny' && !relaxed ? treatment.decision : null;
  if (ruled !== null && connection.denied === 'cut') {
    drop(connection, opaque, { reason: ruled.reason }, ALERT_DENIED);
    return;
  }
  switch (first.kind) {
    case 'closed':
      if (ruled === null) socket.destroy();
      else drop(connection, opaque, ruled);
      return;
    case 'http1':
      socket.unshift(first.bytes);
      fronts.plain(socket, endpoint);
      return;
    case 'tls': {
      const { serverName } = first.hello;
      const named = checkServerName(endpoint, serverName);
      if (!named.ok) {
        drop(connection, tls, named.refusal, ALERT_NAME);
        return;
      }
      if (opensTls(policy, treatment)) {
        socket.unshift(first.bytes);
        fronts.open(socket, endpoint, serverName);
        return;
      }
      if (ruled !== null) {
        drop(connection, tls, ruled, ALERT_DENIED);
        return;
      }
      const unfit = unfitToPass(endpoint, serverName);
      if (unfit !== null) {
        drop(connection, tls, unfit, ALERT_NAME);
        return;
      }
      passTunnel(core, socket, tls, {
        first: first.bytes,
        established: null,
        refused: () => endWith(socket, ALERT_DENIED),
      });
      return;
    }
    case 'bad-hello':
      drop(
        connection,
        tls,
        { reason: `The TLS of this connection cannot be read: ${first.reason}.` },
        ALERT_DENIED,
      );
      return;
    case 'http2':
      drop(connection, opaque, { reason: 'HTTP/2 without TLS never passes. Use HTTP/1.1, or TLS.' });
      return;
    case 'late':
    case 'other': {
      if (!relaxed) {
        const found = ruled ?? { reason: notHttp(endpoint, first.kind) };
        drop(connection, opaque, found, isSsh(first.bytes) ? sshDisconnect(found.reason) : null);
        return;
      }
      passTunnel(core, socket, opaque, {
        first: first.bytes,
        established: null,
        refused: () => breakOff(socket),
      });
      return;
    }
  }
}

/** What speaks against passing TLS unopened, where its server name is all there is to judge; null where nothing does. */
export function unfitToPass(endpoint: Endpoint, serverName: string | null): Dropped | null {
  const named = checkServerName(endpoint, serverName);
  if (!named.ok) return named.refusal;
  if (serverName !== null || endpoint.hostKind !== 'name') return null;
  return { reason: 'TLS that is passed unopened is judged by its server name, and there is none. Send one.' };
}

/** A denied host's is opened for the sake of the answer, unless the policy opens none at all. */
function opensTls(policy: Policy, treatment: Treatment): boolean {
  if (treatment.kind === 'sniff') return treatment.tls === 'open';
  return policy.mode === 'audit' ? policy.inspect === 'always' : policy.inspect !== 'never';
}

function notHttp(endpoint: Endpoint, kind: 'late' | 'other'): string {
  const found = kind === 'late' ? 'Nothing came in time over' : 'Neither HTTP nor TLS is what is spoken over';
  return `${found} this connection to ${authorityOf(endpoint)}. For other protocols the policy needs a rule with protocol: tcp and port: ${endpoint.port}.`;
}

/** What is said of a connection that is ended. */
export interface Dropped {
  readonly reason: string;
  readonly rule?: Rule | null;
  readonly claimed?: readonly string[];
}

/** Ends a connection that turned out to be nothing that may pass, with a record. */
export function drop(
  { core, socket, denied }: Omit<InsideConnection, 'fronts'>,
  target: Target,
  dropped: Dropped,
  lastWords: Buffer | null = null,
): void {
  const entry = recordDenied(core, target, dropped);
  if (lastWords !== null && !socket.destroyed) endWith(socket, lastWords);
  else if (denied === 'answered') breakOff(socket);
  else socket.destroy();
  entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: null });
}

/** Records and counts the denial of a connection. */
export function recordDenied(
  core: ProxyCore,
  target: Target | null,
  { reason, rule = null, claimed = [] }: Dropped,
): AuditEntry {
  const protocol = target?.kind === 'tunnel' ? target.protocol : 'tcp';
  core.options.metrics.decision('deny', protocol, null, rule);
  return core.options.audit.open({
    protocol,
    method: null,
    url: target === null ? null : urlOf(target),
    host: target?.host ?? null,
    port: target?.port ?? null,
    address: null,
    claimed,
    verdict: 'deny',
    rule,
    reason,
  });
}
