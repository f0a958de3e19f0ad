import type { Duplex } from 'node:stream';
import type { AuditEntry } from '../audit/types.ts';
import type { Rule } from '../policy/types.ts';
import { urlOf } from '../target/target-text.ts';
import type { TunnelTarget } from '../target/types.ts';
import type { ProxyCore } from './core.ts';
import type { Denial } from './denial.ts';
import { Tunnel } from './tunnel.ts';
import type { UpstreamError } from './upstream-types.ts';
import {
  isDenial,
  judgeAddresses,
  judgeRules,
  knownAddresses,
  lookupDenial,
  type Passed,
  resolvedElsewhere,
} from './verdict.ts';

/** How a tunnel begins towards the client. */
export interface TunnelStart {
  /** Bytes that were read to find out what is spoken; the upstream gets them first. */
  readonly first: Buffer | null;
  /** What to say to the client once the upstream is connected, or null where it was said. */
  readonly established: string | null;
  /** Tells the client that nothing comes of it. `id` is what stands in the audit log. */
  refused(denial: Denial, id: string): void;
}

/** Judges a connection whose bytes are not read, and passes them. Never throws or rejects. */
export function passTunnel(core: ProxyCore, client: Duplex, target: TunnelTarget, start: TunnelStart): void {
  client.pause();
  void establish(core, client, target, start).catch((error: unknown) => {
    const reason = `boundary failed on this connection: ${error instanceof Error ? error.message : error}`;
    deny(core, target, { status: 500, reason, rule: null }, start);
    client.destroy();
  });
}

async function establish(
  core: ProxyCore,
  client: Duplex,
  target: TunnelTarget,
  start: TunnelStart,
): Promise<void> {
  let policy = core.options.policy();
  let passed = judgeRules(core, policy, target);
  if (isDenial(passed)) return deny(core, target, passed, start);
  let addresses: readonly string[] = [];
  let rule = passed.decision.rule;
  let { word } = passed;
  let { reason } = passed.decision;
  if (!resolvedElsewhere(core, target)) {
    try {
      addresses = knownAddresses(core, target) ?? (await core.options.resolver.lookup(target.host));
    } catch (error) {
      return failLookup(core, target, passed, lookupDenial(target, error), start);
    }
    if (core.options.policy() !== policy) {
      policy = core.options.policy();
      passed = judgeRules(core, policy, target);
      if (isDenial(passed)) return deny(core, target, passed, start);
    }
    const reachable = judgeAddresses(core, policy, target, passed, addresses);
    if (isDenial(reachable)) {
      if (reachable.status === 403) core.options.metrics.upstreamError('address-denied');
      return deny(core, target, reachable, start);
    }
    ({ word, addresses, rule, reason } = reachable);
  }
  const limited = passed.decision.allows;
  const tooMany = core.limits.take(limited);
  if (tooMany !== null) return deny(core, target, { status: 429, ...tooMany }, start);
  const entry = open(core, target, word, rule, reason, null);
  await connect(core, client, target, start, {
    addresses,
    entry,
    release: () => core.limits.release(limited),
  });
}

interface Judged {
  readonly addresses: readonly string[];
  readonly entry: AuditEntry;
  release(): void;
}

async function connect(
  core: ProxyCore,
  client: Duplex,
  target: TunnelTarget,
  start: TunnelStart,
  judged: Judged,
): Promise<void> {
  const { entry, release, addresses } = judged;
  const { host, port } = target;
  const tunnel = new Tunnel(core, client, { target, entry, addresses, status: 200, release });
  const greet = () => {
    if (start.established !== null) client.write(start.established);
  };
  let greeted = false;
  const reader = {
    buffer: tunnel.reader.buffer,
    // A server that speaks first may be heard before `connect` has resolved.
    read: (bytes: Uint8Array) => {
      if (!greeted) greet();
      greeted = true;
      return tunnel.reader.read(bytes);
    },
  };
  const cancel = new AbortController();
  const onClose = () => cancel.abort();
  client.once('close', onClose);
  try {
    const route = { scheme: 'tcp' as const, host, port, addresses };
    const { socket, address } = await core.options.upstream.connect(route, cancel.signal, reader);
    tunnel.addressed(address);
    if (!greeted) greet();
    greeted = true;
    if (start.first !== null && !tunnel.done) tunnel.replay(socket, start.first);
    tunnel.join(socket, null);
  } catch (error) {
    const { kind = 'connect', status = 502, message } = error as Partial<UpstreamError>;
    if (!tunnel.done)
      start.refused({ status, reason: message ?? 'The connection failed.', rule: null }, entry.id);
    tunnel.abandon(`upstream-${kind}`, status);
  } finally {
    client.off('close', onClose);
  }
}

function open(
  core: ProxyCore,
  target: TunnelTarget,
  verdict: 'allow' | 'deny' | 'would-deny',
  rule: Rule | null,
  reason: string,
  address: string | null,
): AuditEntry {
  core.options.metrics.decision(verdict, target.protocol, null, rule);
  return core.options.audit.open({
    protocol: target.protocol,
    method: null,
    url: urlOf(target),
    host: target.host,
    port: target.port,
    address,
    claimed: [],
    verdict,
    rule,
    reason,
  });
}

function deny(core: ProxyCore, target: TunnelTarget, denial: Denial, start: TunnelStart): void {
  const entry = open(core, target, 'deny', denial.rule, denial.reason, denial.address ?? null);
  start.refused(denial, entry.id);
  entry.end({
    status: start.established === null ? null : denial.status,
    bytesIn: 0,
    bytesOut: 0,
    error: null,
  });
}

function failLookup(
  core: ProxyCore,
  target: TunnelTarget,
  passed: Passed,
  denial: Denial,
  start: TunnelStart,
): void {
  core.options.metrics.upstreamError('resolve');
  const { rule, reason } = passed.decision;
  const entry = open(core, target, passed.word, rule, reason, null);
  start.refused(denial, entry.id);
  const status = start.established === null ? null : denial.status;
  entry.end({ status, bytesIn: 0, bytesOut: 0, error: 'upstream-resolve' });
}
