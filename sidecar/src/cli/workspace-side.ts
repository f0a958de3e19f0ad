import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { AuditLog } from '../audit/types.ts';
import type { View } from '../control/view/create-view.ts';
import { followGate } from '../isolation/gate/follow-gate.ts';
import { VIEW_PORT } from '../isolation/gate/namespace-rules.ts';
import { RedirectedConnections } from '../isolation/gate/redirected-connections.ts';
import type { Inet } from '../isolation/system-calls.ts';
import type { Metrics } from '../metrics/types.ts';
import type { Policy } from '../policy/types.ts';
import type { RunningProxy } from '../proxy/types.ts';
import { serveDnsOverTcp } from '../resolver/dns-over-tcp.ts';
import { serveDnsOverUdp } from '../resolver/dns-over-udp.ts';
import { createDnsService, type DnsEvent, type DnsService } from '../resolver/dns-service.ts';
import {
  type NameAddresses,
  openNameAddresses,
  RESOLVER_ADDRESS,
  VIEW_ADDRESS,
  VIEW_NAME,
} from '../resolver/name-addresses.ts';
import type { Endpoint } from '../target/types.ts';

const DNS_PORT = 53;
const HTTP_PORT = 80;
/** Connections to the page and to DNS over TCP, each kind: the workspace does not decide about our memory. */
const MOST_OWN = 256;

export interface WorkspaceSideOptions {
  /** The gate's, shared with it. */
  readonly gateDirectory: string;
  /** The journal of the names and their addresses. */
  readonly namesPath: string;
  readonly deployment: Endpoint | null;
  /** The workspace's host name, which tools look up: a question for it is nothing remarkable. */
  readonly ownName: string | null;
  policy(): Policy;
  readonly proxy: RunningProxy;
  readonly audit: AuditLog;
  readonly metrics: Metrics;
  /** Told where the number of names is to be had. */
  readonly watchNames: (count: () => number) => void;
  readonly view: View;
  /** For people: what happens to gate and names. */
  readonly say: (line: string) => void;
}

/** What a workspace behind a gate meets: DNS, the view, and the proxy for everything else. */
export interface WorkspaceSide {
  readonly names: NameAddresses;
  gateConnected(): boolean;
  /** Takes no more of the workspace's connections; they wait at the gate. */
  close(): void;
}

/** Starts to take what the gate redirects, from now on and for as long as it runs. */
export function openWorkspaceSide(options: WorkspaceSideOptions): WorkspaceSide {
  const { metrics, proxy, say, view } = options;
  const names = openNameAddresses({ path: options.namesPath, onFault: say });
  for (const warning of names.warnings) say(warning);
  names.reserve(VIEW_NAME, VIEW_ADDRESS);
  names.reserve('resolver.boundary.internal', RESOLVER_ADDRESS);
  options.watchNames(() => names.count);
  metrics.gateConnected(false);
  const dns = dnsOf(options, names);
  const viewServer = createServer(
    { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, maxHeaderSize: 80 * 1024 },
    view.handler,
  );
  viewServer.on('clientError', (_error, socket) => socket.destroy());
  // Never listening: its connections are given to it. Without this it would watch none of its time limits.
  viewServer.emit('listening');
  let connected = false;
  const shown = new Set<Socket>();
  const asking = new Set<Socket>();

  const redirected = new RedirectedConnections({
    onConnection: (socket, destination) => route(socket, destination),
    onDatagrams: (socket) => void serveDnsOverUdp(socket, dns),
    onFault: say,
  });
  const gate = followGate({
    directory: options.gateDirectory,
    onSockets(sockets) {
      redirected.take(sockets);
      metrics.gateHandover();
      say('the gate has handed over its sockets');
    },
    onConnected(now) {
      if (now !== connected) say(now ? 'the gate is there' : 'the gate is gone; its sockets serve on');
      connected = now;
      metrics.gateConnected(now);
    },
    onFault: say,
  });

  function route(socket: Socket, destination: Inet | null): void {
    if (destination?.address === '127.0.0.1' && destination.port === VIEW_PORT) {
      show(socket);
      return;
    }
    if (destination === null || destination.address.startsWith('127.')) {
      const found = destination === null ? null : literal(destination);
      proxy.refuseRedirected(
        socket,
        found,
        'The connection was made to boundary itself, not to a place outside.',
      );
      return;
    }
    if (destination.port === DNS_PORT) {
      if (!counted(asking, socket)) return;
      serveDnsOverTcp(socket, dns);
      socket.resume();
      return;
    }
    const name = names.nameOf(destination.address);
    if (name === VIEW_NAME || destination.address === RESOLVER_ADDRESS) {
      if (name === VIEW_NAME && destination.port === HTTP_PORT) show(socket);
      else {
        const reason = `boundary's own page is http://${VIEW_NAME}/, and nothing else is there.`;
        proxy.refuseRedirected(socket, literal(destination), reason);
      }
      return;
    }
    if (name === undefined && names.isOwn(destination.address)) {
      const reason =
        'This address stands for no name: boundary gave it out to none, or long ago. Look the name up again.';
      proxy.refuseRedirected(socket, literal(destination), reason);
      return;
    }
    proxy.redirected(
      socket,
      name === undefined ? literal(destination) : { host: name, hostKind: 'name', port: destination.port },
    );
  }

  function show(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (!counted(shown, socket)) return;
    viewServer.emit('connection', socket);
    socket.resume();
  }

  return {
    names,
    gateConnected: () => connected,
    close() {
      gate.close();
      redirected.close();
      view.close();
      viewServer.close(() => {});
      viewServer.closeAllConnections();
      names.close();
    },
  };
}

/** Notes a connection while it is open; one too many is reset. */
function counted(open: Set<Socket>, socket: Socket): boolean {
  if (open.size >= MOST_OWN) {
    socket.on('error', () => {});
    socket.resetAndDestroy();
    return false;
  }
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  return true;
}

function literal({ address, port }: Inet): Endpoint {
  return { host: address, hostKind: 'ipv4', port };
}

function dnsOf(options: WorkspaceSideOptions, names: NameAddresses): DnsService {
  const { deployment, metrics } = options;
  return createDnsService({
    names,
    mayReach(name) {
      if (name === VIEW_NAME || name === deployment?.host || name === options.ownName) return true;
      const policy = options.policy();
      return policy.mode === 'audit' || policy.mayReach(name);
    },
    onQuestion(event) {
      metrics.dnsQuestion(event.result);
      if (event.impossible) recordImpossible(options, event);
    },
  });
}

/** A name that no rule could allow carries what its labels say to nobody; that it was asked for is on record. */
function recordImpossible({ audit, metrics }: WorkspaceSideOptions, event: DnsEvent): void {
  metrics.decision('deny', 'dns', null, null);
  const host = event.name ?? event.asked;
  const entry = audit.open({
    protocol: 'dns',
    method: null,
    url: host === null ? null : `dns://${host}`,
    host,
    port: DNS_PORT,
    address: null,
    claimed: [],
    verdict: 'deny',
    rule: null,
    reason: event.reason,
  });
  entry.end({ status: null, bytesIn: 0, bytesOut: 0, error: null });
}
