/** Ports of the gate's two sockets in the confined namespace. */
export interface GatePorts {
  readonly tcp: number;
  readonly udp: number;
}

/**
 * The workspace's own address beside 127.0.0.1. Without one that is not loopback, getaddrinfo(3) with AI_ADDRCONFIG takes
 * the machine for one without IPv4 and finds no name: browsers ask so.
 */
export const WORKSPACE_ADDRESS = '198.18.0.2';

/**
 * The port on 127.0.0.1 at which the workspace finds boundary's own page: a dashboard that shows an app of a workspace
 * reaches loopback ports only.
 */
export const VIEW_PORT = 13_380;

/**
 * Interface and routes of the confined namespace, as arguments of ip(8): loopback is up, and every IPv4 address is local, so that
 * a packet to anywhere has a way to go and none out. Table `local` and the source address are both needed: a table of
 * its own gives ENETUNREACH once the destination was rewritten, and the source decides what replies are sent to.
 */
export const NAMESPACE_SETUP: readonly (readonly string[])[] = [
  ['link', 'set', 'lo', 'up'],
  ['address', 'replace', `${WORKSPACE_ADDRESS}/32`, 'dev', 'lo'],
  ['route', 'replace', 'local', 'default', 'dev', 'lo', 'src', '127.0.0.1'],
];

/**
 * The firewall of the confined namespace, as a script of nft(8). It replaces an earlier one in one transaction, so that
 * a gate that starts again swaps its ports without a moment in between.
 *
 * What stays on loopback is left alone, but for the port of boundary's own page. All other IPv4 goes to the two sockets, the rest is refused at once, with an
 * answer that clients understand: nothing waits for a time-out. `ct direction reply` lets answers of the sockets back.
 *
 * Questions are tracked in a zone per UDP socket. What is known of a client's port holds for half a minute after its
 * last packet, redirect included: without a zone a client that uses a port again would be sent to the socket of an
 * earlier gate, which nobody reads, and would keep that up by asking.
 */
export function namespaceRules({ tcp, udp }: GatePorts): string {
  return `table inet boundary
delete table inet boundary
table inet boundary {
  chain tracked {
    type filter hook output priority raw; policy accept;
    ip daddr != { 127.0.0.0/8, ${WORKSPACE_ADDRESS} } udp dport 53 ct original zone set ${udp}
  }
  chain redirected {
    type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.1 tcp dport ${VIEW_PORT} redirect to :${tcp}
    ip daddr { 127.0.0.0/8, ${WORKSPACE_ADDRESS} } return
    meta nfproto ipv4 meta l4proto tcp redirect to :${tcp}
    meta nfproto ipv4 udp dport 53 redirect to :${udp}
  }
  chain closed {
    type filter hook output priority 0; policy drop;
    ip daddr { 127.0.0.0/8, ${WORKSPACE_ADDRESS} } accept
    ip6 daddr ::1 accept
    ct status dnat accept
    ct direction reply accept
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
}
`;
}
