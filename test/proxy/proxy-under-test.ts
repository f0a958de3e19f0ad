import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { AuditLog, Outcome, VerdictRecord } from '../../sidecar/src/audit/types.ts';
import { createAuthority } from '../../sidecar/src/certificates/create-authority.ts';
import { createMetrics } from '../../sidecar/src/metrics/create-metrics.ts';
import { compilePolicy, type PolicyParts } from '../../sidecar/src/policy/compile.ts';
import type { Policy, RuleSpec } from '../../sidecar/src/policy/types.ts';
import { createProxy } from '../../sidecar/src/proxy/create-proxy.ts';
import type { ProxyOptions, RunningProxy } from '../../sidecar/src/proxy/types.ts';
import { createUpstream } from '../../sidecar/src/proxy/upstream/create-upstream.ts';
import { createResolver } from '../../sidecar/src/resolver/create-resolver.ts';
import type { TestCa } from '../harness/test-ca.ts';

/** A finished or open audit record, as the log was told. */
export interface Recorded extends VerdictRecord {
  dialled: string | null;
  outcome: Outcome | null;
}

export interface ProxyUnderTest {
  readonly proxy: RunningProxy;
  readonly port: number;
  /** PEM of the CA that opened TLS shows. */
  readonly caPem: string;
  readonly records: Recorded[];
  /** Names that were asked for. */
  readonly lookups: string[];
  /** The record whose verdict is the newest, once it has ended. */
  lastEnded(): Promise<Recorded>;
  use(policy: Policy): void;
  setAuditHealthy(healthy: boolean): void;
  close(): Promise<void>;
}

/** Rules as they come out of a policy file: `allow` unless `effect` says otherwise. */
export type TestRule = RuleSpec & { readonly effect?: 'deny' };

/** `127.0.0.1/32` opens loopback for a rule, where all upstreams of tests stand. */
export const LOOPBACK: readonly string[] = ['127.0.0.1/32'];

export function policyOf(rules: readonly TestRule[], parts: Partial<PolicyParts> = {}): Policy {
  const compiled = compilePolicy({
    mode: 'enforce',
    inspect: 'always',
    private: false,
    onAuditFailure: 'continue',
    hash: 'test',
    files: [],
    confines: [],
    ...parts,
    rules: rules.map(({ effect, ...spec }, id) => ({
      id,
      effect: effect ?? 'allow',
      spec,
      label: `test.yaml:${id + 1}`,
      file: 'test.yaml',
      line: id + 1,
      column: 1,
    })),
  });
  if ('faults' in compiled) throw new Error(JSON.stringify(compiled.faults));
  return compiled.policy;
}

/** Starts the whole proxy in this process. Every name resolves to 127.0.0.1 unless `names` says otherwise. */
export async function startProxy(options: {
  readonly policy: Policy;
  readonly upstreamCa?: TestCa;
  readonly names?: Readonly<Record<string, readonly string[]>>;
  readonly proxy?: Partial<ProxyOptions>;
}): Promise<ProxyUnderTest> {
  let policy = options.policy;
  const { metrics } = createMetrics();
  const authority = createAuthority();
  const lookups: string[] = [];
  const resolver = createResolver({
    async lookup(name) {
      lookups.push(name);
      return options.names?.[name] ?? ['127.0.0.1'];
    },
  });
  const recorder = recordingAudit();
  const upstream = createUpstream({ ca: options.upstreamCa ? [options.upstreamCa.caPem] : [], metrics });
  const proxy = await createProxy({
    listen: { host: '127.0.0.1', port: 0 },
    policy: () => policy,
    authority,
    resolver,
    audit: recorder.audit,
    metrics,
    upstream,
    ownListeners: () => [],
    ...options.proxy,
  });
  return {
    proxy,
    port: proxy.address.port,
    caPem: authority.certificatePem,
    records: recorder.records,
    lookups,
    lastEnded: recorder.lastEnded,
    use(next) {
      policy = next;
      proxy.policyChanged();
    },
    setAuditHealthy: recorder.setHealthy,
    async close() {
      await proxy.drain(0);
      await upstream.close();
      resolver.close();
    },
  };
}

function recordingAudit() {
  const records: Recorded[] = [];
  const waiting: (() => void)[] = [];
  let healthy = true;
  const audit: AuditLog = {
    run: 'test',
    get healthy() {
      return healthy;
    },
    open(verdict) {
      const record: Recorded = { ...verdict, dialled: null, outcome: null };
      const seq = records.push(record);
      return {
        seq,
        id: `test-${seq}`,
        address(address) {
          record.dialled = address;
        },
        end(outcome) {
          record.outcome ??= outcome;
          for (const wake of waiting.splice(0)) wake();
        },
      };
    },
    async flush() {},
    async close() {},
  };
  return {
    audit,
    records,
    setHealthy(next: boolean) {
      healthy = next;
    },
    async lastEnded(): Promise<Recorded> {
      for (;;) {
        const last = records.at(-1);
        if (last?.outcome) return last;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

/** Sends octets on a connection of their own and reads until the other side ends it. */
export async function exchangeRaw(port: number, octets: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const answer = readAll(socket);
  socket.write(octets);
  return answer;
}

/** Everything that comes until the connection ends, however it ends, as Latin-1. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  if (!socket.closed && !socket.readableEnded)
    await new Promise<unknown>((resolve) => socket.once('end', resolve).once('close', resolve));
  socket.destroy();
  return Buffer.concat(chunks).toString('latin1');
}

/** Reads until `wanted` is in what came. Fails where the connection ends before. */
export async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let text = '';
  for (;;) {
    const chunk: unknown = socket.read();
    if (chunk instanceof Buffer) text += chunk.toString('latin1');
    if (text.includes(wanted)) return text;
    if (socket.readableEnded || socket.destroyed) throw new Error(`ended before ${wanted}: ${text}`);
    await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

/** A tunnel to `authority`, after the proxy's 200. */
export async function openTunnel(port: number, authority: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const head = await readUntil(socket, '\r\n\r\n');
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head);
  const rest = head.slice(head.indexOf('\r\n\r\n') + 4);
  if (rest !== '') socket.unshift(Buffer.from(rest, 'latin1'));
  return socket;
}

/** TLS inside a tunnel; rejects where the handshake fails. */
export async function openTlsTunnel(
  port: number,
  authority: string,
  options: ConnectionOptions,
): Promise<TLSSocket> {
  const socket = await openTunnel(port, authority);
  const tls = tlsConnect({ socket, servername: authority.split(':')[0] ?? '', ...options });
  await once(tls, 'secureConnect');
  return tls;
}
