import type { Duplex } from 'node:stream';
import type { AuditEntry } from '../audit/types.ts';
import { ResolveError } from '../resolver/resolve-error.ts';
import { urlOf } from '../target/target-text.ts';
import type { Endpoint, TunnelTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { type FirstBytes, readFirstBytes } from './first-bytes.ts';
import { breakOff } from './last-words.ts';
import { ALERT_NAME, type Dropped, drop, unfitToPass } from './spoken-inside.ts';
import { Tunnel } from './tunnel.ts';
import type { UpstreamError } from './upstream-types.ts';
import { knownAddresses, resolvedElsewhere } from './verdict.ts';

const REASON = "The deployment's own address always passes, unopened.";

/**
 * Passes a connection to the deployment that the workspace belongs to: whatever the policy says, wherever its name
 * leads but to boundary itself, and unopened, since its agent speaks HTTP, WebSocket and a protocol of its own there
 * (`Upgrade: DERP`). Of TLS the server name has to be the deployment's: many names share an address, and none but this
 * one passes without a rule. On record like any other. Never throws.
 */
export function passDeployment(core: ProxyCore, client: Duplex, endpoint: Endpoint): void {
  const target: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  void begin(core, client, target).catch((error: unknown) => {
    const reason = `boundary failed on this connection: ${error instanceof Error ? error.message : error}`;
    drop({ core, socket: client, denied: 'answered' }, target, { reason });
  });
}

async function begin(core: ProxyCore, client: Duplex, target: TunnelTarget): Promise<void> {
  const first = await readFirstBytes(client, core.headTimeout);
  if (first.kind === 'closed') {
    client.destroy();
    return;
  }
  const unfit = unfitBeginning(target, first);
  if (unfit !== null) {
    const tls: TunnelTarget = { ...target, protocol: 'tls' };
    drop({ core, socket: client, denied: 'answered' }, tls, unfit, ALERT_NAME);
    return;
  }
  core.options.metrics.decision('allow', 'tcp', null, null);
  const entry = core.options.audit.open({
    protocol: 'tcp',
    method: null,
    url: urlOf(target),
    host: target.host,
    port: target.port,
    address: null,
    claimed: [],
    verdict: 'allow',
    rule: null,
    reason: REASON,
  });
  await pass(core, client, { target, entry, first: first.bytes }).catch(() => {
    entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: 'internal' });
    client.destroy();
  });
}

/** What is not TLS is the server's to refuse. */
function unfitBeginning(target: TunnelTarget, first: FirstBytes): Dropped | null {
  if (first.kind === 'tls') return unfitToPass(target, first.hello.serverName);
  if (first.kind !== 'bad-hello') return null;
  return { reason: `The TLS of this connection cannot be read: ${first.reason}.` };
}

interface Passing {
  readonly target: TunnelTarget;
  readonly entry: AuditEntry;
  /** What was read of the client's bytes: the deployment gets them first. */
  readonly first: Buffer;
}

async function pass(core: ProxyCore, client: Duplex, { target, entry, first }: Passing): Promise<void> {
  const { host, port } = target;
  const addresses = await addressesOf(core, target).catch((error: unknown) => error);
  if (!Array.isArray(addresses)) {
    core.options.metrics.upstreamError('resolve');
    const error = addresses instanceof ResolveError ? 'upstream-resolve' : 'internal';
    entry.end({ status: null, bytesIn: 0, bytesOut: 0, error });
    breakOff(client);
    return;
  }
  const tunnel = new DeploymentTunnel(core, client, {
    target,
    entry,
    addresses,
    status: 200,
    release: () => {},
  });
  const cancel = new AbortController();
  const onClose = () => cancel.abort();
  client.once('close', onClose);
  try {
    const route = { scheme: 'tcp' as const, host, port, addresses };
    const { socket, address } = await core.options.upstream.connect(route, cancel.signal, tunnel.reader);
    tunnel.addressed(address);
    if (!tunnel.done) tunnel.replay(socket, first);
    tunnel.join(socket, null);
  } catch (error) {
    const { kind = 'connect', status = 502 } = error as Partial<UpstreamError>;
    tunnel.abandon(`upstream-${kind}`, status);
    breakOff(client);
  } finally {
    client.off('close', onClose);
  }
}

async function addressesOf(core: ProxyCore, target: TunnelTarget): Promise<readonly string[]> {
  if (resolvedElsewhere(core, target)) return [];
  const found = knownAddresses(core, target) ?? (await core.options.resolver.lookup(target.host));
  const others = found.filter((address) => !core.isOwn(address, target.port));
  if (others.length === 0) throw new Error('The deployment would be boundary itself.');
  return others;
}

/** No policy speaks of it, so that none can end it. */
class DeploymentTunnel extends Tunnel {
  override refusedBy(): boolean {
    return false;
  }
}
