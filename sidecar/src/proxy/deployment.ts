import type { Duplex } from 'node:stream';
import type { AuditEntry } from '../audit/types.ts';
import { ResolveError } from '../resolver/resolve-error.ts';
import { urlOf } from '../target/target-text.ts';
import type { Endpoint, TunnelTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import { Tunnel } from './tunnel.ts';
import type { UpstreamError } from './upstream-types.ts';
import { knownAddresses, resolvedElsewhere } from './verdict.ts';

const REASON = "The deployment's own address always passes, unopened.";

/**
 * Passes a connection to the deployment that the workspace belongs to: whatever the policy says, wherever its name
 * leads but to boundary itself, and unopened, since its agent speaks HTTP, WebSocket and a protocol of its own there
 * (`Upgrade: DERP`). On record like any other. Never throws.
 */
export function passDeployment(core: ProxyCore, client: Duplex, endpoint: Endpoint): void {
  const target: TunnelTarget = { kind: 'tunnel', protocol: 'tcp', ...endpoint };
  client.pause();
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
  void pass(core, client, target, entry).catch(() => {
    entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: 'internal' });
    client.destroy();
  });
}

async function pass(core: ProxyCore, client: Duplex, target: TunnelTarget, entry: AuditEntry): Promise<void> {
  const { host, port } = target;
  const addresses = await addressesOf(core, target).catch((error: unknown) => error);
  if (!Array.isArray(addresses)) {
    core.options.metrics.upstreamError('resolve');
    const error = addresses instanceof ResolveError ? 'upstream-resolve' : 'internal';
    entry.end({ status: null, bytesIn: 0, bytesOut: 0, error });
    client.destroy();
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
    tunnel.join(socket, null);
  } catch (error) {
    const { kind = 'connect', status = 502 } = error as Partial<UpstreamError>;
    tunnel.abandon(`upstream-${kind}`, status);
    client.destroy();
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
