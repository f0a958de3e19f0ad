import type { Duplex } from 'node:stream';
import type { Endpoint, TunnelTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { passDeployment } from './deployment.ts';
import { breakOff, endWith } from './last-words.ts';
import { passTunnel } from './pass-tunnel.ts';
import { drop, type FrontEnds, lookInside } from './spoken-inside.ts';
import { sshDisconnect } from './ssh-disconnect.ts';

/** RFC 4253 section 4: the port of ssh, whose clients wait for the server's words. */
const SSH_PORT = 22;

/**
 * A connection that was redirected here: its client believes that it speaks with `endpoint`. Judged as a CONNECT to it
 * would be; what is denied is answered in the client's own protocol, or reset where none is known.
 */
export function handleRedirected(
  core: ProxyCore,
  fronts: FrontEnds,
  socket: Duplex,
  endpoint: Endpoint,
): void {
  // What breaks before a part of the proxy holds the socket only ends it.
  socket.on('error', () => socket.destroy());
  const connection = { core, fronts, socket, denied: 'answered' } as const;
  const opaque: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  try {
    if (isDeployment(core, endpoint)) {
      passDeployment(core, socket, endpoint);
      return;
    }
    const policy = core.options.policy();
    if (policy.onAuditFailure === 'deny' && !core.options.audit.healthy) {
      const reason = 'No audit sink can take a record, and the policy says audit.on_failure: deny.';
      drop(connection, opaque, { reason });
      return;
    }
    if (endpoint.hostKind !== 'name' && core.isOwn(endpoint.host, endpoint.port)) {
      drop(connection, opaque, { reason: 'This is an address of boundary itself.' });
      return;
    }
    const treatment = policy.treat(endpoint);
    if (treatment.kind !== 'tcp') {
      void lookInside(connection, endpoint, policy, treatment);
      return;
    }
    passTunnel(core, socket, treatment.target, {
      first: null,
      established: null,
      refused: ({ reason }) => {
        if (endpoint.port === SSH_PORT) endWith(socket, sshDisconnect(reason));
        else breakOff(socket);
      },
    });
  } catch (error) {
    const reason = `boundary failed on this connection: ${error instanceof Error ? error.message : error}`;
    drop(connection, opaque, { reason });
  }
}

function isDeployment({ options: { deployment } }: ProxyCore, { host, port }: Endpoint): boolean {
  return deployment?.host === host && deployment.port === port;
}
