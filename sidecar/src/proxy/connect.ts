import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Policy, Treatment } from '../policy/types.ts';
import { checkServerName, connectTarget } from '../target/connect-target.ts';
import { authorityOf, urlOf } from '../target/target-text.ts';
import type { Endpoint, Target, TunnelTarget } from '../target/types.ts';
import type { ClientConnections } from './client-connection.ts';
import type { ProxyCore } from './core.ts';
import { type Denial, denialOf, ownAnswer, ownAnswerBytes } from './denial.ts';
import { type FirstBytes, readFirstBytes } from './first-bytes.ts';
import { endWith } from './last-words.ts';
import { passTunnel } from './pass-tunnel.ts';
import { isSsh, sshDisconnect } from './ssh-disconnect.ts';
import { ruledOut } from './verdict.ts';
import { WatchedEndpoint } from './watched-endpoint.ts';

/** Where a connection goes on once its bytes are to be read as requests. */
export interface FrontEnds {
  readonly connections: ClientConnections;
  /** Plain HTTP/1.1 inside a CONNECT. The socket holds its first bytes again. */
  plain(socket: Duplex, endpoint: Endpoint): void;
  /** TLS that is opened. */
  open(socket: Duplex, endpoint: Endpoint, serverName: string | null): void;
}

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';
/** RFC 8446 section 6: alert, fatal. 49 is access_denied, 112 unrecognized_name. */
const ALERT_DENIED = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 49]);
const ALERT_NAME = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);
/** In mode `audit`, how long a client may be silent before the server is taken to speak first. */
const SILENCE_MS = 1_000;

/** Answers a CONNECT: refuses it, passes its bytes, or finds out what is spoken inside. */
export function handleConnect(
  core: ProxyCore,
  fronts: FrontEnds,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  // What breaks before a part of the proxy holds the socket only ends it.
  socket.on('error', () => socket.destroy());
  const connection = { core, fronts, socket, json: /\bjson\b/i.test(request.headers.accept ?? '') };
  try {
    if (fronts.connections.of(socket).endpoint !== null) {
      const reason = 'CONNECT came inside a connection that a CONNECT made. Send it to the proxy itself.';
      refuse(connection, null, { status: 403, reason, rule: null });
      return;
    }
    const parsed = connectTarget(request.url ?? '', request.rawHeaders);
    if (!parsed.ok) {
      refuse(connection, null, denialOf(parsed.refusal));
      return;
    }
    if (head.length > 0) socket.unshift(head);
    begin(connection, parsed.value);
  } catch (error) {
    const reason = `boundary failed on this CONNECT: ${error instanceof Error ? error.message : error}`;
    refuse(connection, null, { status: 500, reason, rule: null });
  }
}

interface Connecting {
  readonly core: ProxyCore;
  readonly fronts: FrontEnds;
  readonly socket: Duplex;
  readonly json: boolean;
}

function begin(connection: Connecting, endpoint: Endpoint): void {
  const { core, socket } = connection;
  const policy = core.options.policy();
  const opaque: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  if (policy.onAuditFailure === 'deny' && !core.options.audit.healthy) {
    const reason = 'No audit sink can take a record, and the policy says audit.on_failure: deny.';
    refuse(connection, opaque, { status: 403, reason, rule: null });
    return;
  }
  if (endpoint.hostKind !== 'name' && core.isOwn(endpoint.host, endpoint.port)) {
    const reason = 'This is an address of boundary itself.';
    refuse(connection, opaque, { status: 403, reason, rule: null });
    return;
  }
  const treatment = policy.treat(endpoint);
  if (treatment.kind === 'deny' && policy.mode !== 'audit') {
    refuse(connection, opaque, ruledOut(treatment.decision));
    return;
  }
  if (treatment.kind === 'tcp') {
    passTunnel(core, socket, treatment.target, {
      first: null,
      established: ESTABLISHED,
      refused: (denial, id) => refuseAnswer(connection, denial, id),
    });
    return;
  }
  socket.write(ESTABLISHED);
  void look(connection, endpoint, policy, treatment);
}

async function look(
  connection: Connecting,
  endpoint: Endpoint,
  policy: Policy,
  treatment: Treatment,
): Promise<void> {
  const { core, socket } = connection;
  const pending = new WatchedEndpoint('pending', socket, endpoint);
  core.live.add(pending);
  // Where nothing is enforced, a server that speaks first is waited for, not cut off.
  const relaxed = policy.mode === 'audit' && treatment.kind === 'deny';
  const first = await readFirstBytes(socket, relaxed ? SILENCE_MS : core.headTimeout);
  core.live.delete(pending);
  try {
    // A reload meanwhile: what follows is judged by the policy in force.
    const now = core.options.policy();
    const current = now === policy ? treatment : now.treat(endpoint);
    goOn(connection, endpoint, now, current, first);
  } catch (error) {
    const reason = `boundary failed on this connection: ${error instanceof Error ? error.message : error}`;
    drop(connection, { kind: 'tunnel', protocol: 'tcp', ...endpoint }, reason, []);
  }
}

function goOn(
  connection: Connecting,
  endpoint: Endpoint,
  policy: Policy,
  treatment: Treatment,
  first: FirstBytes,
): void {
  const { core, fronts, socket } = connection;
  const opaque: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  const tls: TunnelTarget = { ...opaque, protocol: 'tls' };
  const relaxed = policy.mode === 'audit' && treatment.kind === 'deny';
  if (treatment.kind === 'deny' && !relaxed) {
    drop(connection, opaque, treatment.decision.reason, [], ALERT_DENIED);
    return;
  }
  switch (first.kind) {
    case 'closed':
      socket.destroy();
      return;
    case 'http1':
      socket.unshift(first.bytes);
      fronts.plain(socket, endpoint);
      return;
    case 'tls': {
      const { serverName } = first.hello;
      const named = checkServerName(endpoint, serverName);
      if (!named.ok) {
        drop(connection, tls, named.refusal.reason, named.refusal.claimed, ALERT_NAME);
        return;
      }
      const opens = treatment.kind === 'sniff' ? treatment.tls === 'open' : policy.inspect === 'always';
      if (opens) {
        socket.unshift(first.bytes);
        fronts.open(socket, endpoint, serverName);
        return;
      }
      if (serverName === null && endpoint.hostKind === 'name') {
        const reason =
          'TLS that is passed unopened is judged by its server name, and there is none. Send one.';
        drop(connection, tls, reason, [], ALERT_NAME);
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
      drop(connection, tls, `The TLS of this connection cannot be read: ${first.reason}.`, [], ALERT_DENIED);
      return;
    case 'http2':
      drop(connection, opaque, 'HTTP/2 without TLS never passes. Use HTTP/1.1, or TLS.', []);
      return;
    case 'late':
    case 'other': {
      if (!relaxed) {
        const reason = notHttp(endpoint, first.kind);
        drop(connection, opaque, reason, [], isSsh(first.bytes) ? sshDisconnect(reason) : null);
        return;
      }
      passTunnel(core, socket, opaque, {
        first: first.bytes,
        established: null,
        refused: () => socket.destroy(),
      });
      return;
    }
  }
}

function notHttp(endpoint: Endpoint, kind: 'late' | 'other'): string {
  const found = kind === 'late' ? 'Nothing came in time over' : 'Neither HTTP nor TLS is what is spoken over';
  return `${found} this connection to ${authorityOf(endpoint)}. For other protocols the policy needs a rule with protocol: tcp and port: ${endpoint.port}.`;
}

/** Refuses a CONNECT that was not yet answered. */
function refuse(connection: Connecting, target: Target | null, denial: Denial): void {
  const { core } = connection;
  const entry = record(core, target, denial.reason, denial.claimed ?? [], denial.rule);
  const bytesOut = refuseAnswer(connection, denial, entry.id);
  entry.end({ status: denial.status, bytesIn: 0, bytesOut, error: null });
}

function refuseAnswer(connection: Connecting, denial: Denial, id: string): number {
  const answer = ownAnswer(denial, id, connection.json);
  endWith(connection.socket, ownAnswerBytes(answer));
  return answer.body.length;
}

/** Ends a tunnel that was answered with 200 and turned out to be nothing that may pass. */
function drop(
  connection: Connecting,
  target: Target,
  reason: string,
  claimed: readonly string[],
  lastWords: Buffer | null = null,
): void {
  const { core, socket } = connection;
  const entry = record(core, target, reason, claimed, null);
  if (lastWords === null || socket.destroyed) socket.destroy();
  else endWith(socket, lastWords);
  entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: null });
}

function record(
  core: ProxyCore,
  target: Target | null,
  reason: string,
  claimed: readonly string[],
  rule: Denial['rule'],
) {
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
