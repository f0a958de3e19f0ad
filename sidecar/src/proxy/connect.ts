import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connectTarget } from '../target/connect-target.ts';
import type { Endpoint, Target, TunnelTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { type Denial, denialOf, ownAnswer, ownAnswerBytes } from './denial.ts';
import { endWith } from './last-words.ts';
import { passTunnel } from './pass-tunnel.ts';
import { type FrontEnds, type InsideConnection, lookInside, recordDenied } from './spoken-inside.ts';
import { ruledOut } from './verdict.ts';

const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

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
  const json = /\bjson\b/i.test(request.headers.accept ?? '');
  const connection = { core, fronts, socket, denied: 'cut', json } as const;
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

interface Connecting extends InsideConnection {
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
  void lookInside(connection, endpoint, policy, treatment);
}

/** Refuses a CONNECT that was not yet answered. */
function refuse(connection: Connecting, target: Target | null, denial: Denial): void {
  const { core } = connection;
  const entry = recordDenied(core, target, denial);
  const bytesOut = refuseAnswer(connection, denial, entry.id);
  entry.end({ status: denial.status, bytesIn: 0, bytesOut, error: null });
}

function refuseAnswer(connection: Connecting, denial: Denial, id: string): number {
  const answer = ownAnswer(denial, id, connection.json);
  endWith(connection.socket, ownAnswerBytes(answer));
  return answer.body.length;
}
