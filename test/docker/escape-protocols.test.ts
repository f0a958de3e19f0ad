/** From inside a workspace: everything that is not TCP, and TCP in unusual ways. */
import { AS_ADMIN, AS_ROOT, type Attack, Battery, FORBIDDEN, FORBIDDEN_V6, type Stage } from './battery.ts';

const battery = new Battery({
  title: 'protocols',
  policy:
    'allow:\n  - { domain: "*", port: any }\n  - { cidr: 0.0.0.0/0, port: any }\n  - { cidr: "::/0", port: any }\n',
  attacks: 'protocols.py',
});

const to = FORBIDDEN;
const v6 = FORBIDDEN_V6;
const NO_SCTP = 'where the kernel has SCTP';

function udp(name: string, port: number, more: object = {}): Attack {
  return { name, call: (mark) => ({ attack: 'send_udp', to, port, mark, ...more }), to };
}

function raw(name: string, protocol: number, more: object = {}): Attack {
  return { name, call: (mark) => ({ attack: 'raw', to, protocol, mark, ...more }), to };
}

const ATTACKS: readonly Attack[] = [
  udp('UDP to port 123', 123),
  udp('UDP to port 443', 443),
  udp('UDP to port 4789 (VXLAN)', 4789),
  udp('UDP to port 9999', 9999),
  udp('a large datagram, in fragments', 9999, { size: 9000 }),
  udp('UDP-Lite', 9999, { protocol: 136 }),
  { name: 'UDP by connect(2)', call: (mark) => ({ attack: 'connected_udp', to, port: 9999, mark }), to },
  { name: 'QUIC’s first packet', call: (mark) => ({ attack: 'quic', to, mark }), to },
  udp('UDP to everybody on the network', 9999, { to: '255.255.255.255' }),
  {
    name: 'UDP to a multicast group',
    call: (mark) => ({ attack: 'multicast', to: '239.1.2.3', port: 9999, mark }),
    to: '239.1.2.3',
  },
  {
    name: 'mDNS',
    call: (mark) => ({ attack: 'multicast', to: '224.0.0.251', port: 5353, mark }),
    to: '224.0.0.251',
  },
  {
    name: 'UDP to the host',
    call: (mark, { host }, { port }) => ({ attack: 'send_udp', to: host, port, mark }),
    to: 'host',
  },
  {
    name: 'UDP to a container beside the sidecar',
    call: (mark, { neighbour }) => ({ attack: 'send_udp', to: neighbour.address, port: 9999, mark }),
    to: ({ neighbour }) => neighbour.address,
  },
  { name: 'ping', call: (mark) => ({ attack: 'ping', to, mark }), to },
  {
    name: 'a tunnel in ICMP echo requests',
    call: (mark) => ({ attack: 'raw', to, protocol: 1, body: 'echo', mark }),
    to,
  },
  {
    name: 'ICMP by a datagram socket',
    call: (mark) => ({ attack: 'ping_socket', to, mark }),
    to,
    uncontrolled: 'where ping_group_range lets it',
  },
  raw('GRE', 47),
  raw('IP in IP', 4),
  raw('ESP', 50),
  raw('SCTP by a raw socket', 132),
  raw('OSPF', 89),
  raw('an unknown IP protocol', 253),
  ...(['udp', 'syn', 'ack', 'icmp'] as const).map(
    (what): Attack => ({
      name: `an IP packet of one’s own making, from a false address: ${what}`,
      call: (mark) => ({ attack: 'raw_header', to, what, mark }),
      to,
    }),
  ),
  {
    name: 'an IP packet of one’s own making, from 127.0.0.1',
    call: (mark) => ({ attack: 'raw_header', to, what: 'udp', source: '127.0.0.1', mark }),
    to,
    uncontrolled: 'dropped as a martian',
  },
  { name: 'IP fragments of one’s own making', call: (mark) => ({ attack: 'fragments', to, mark }), to },
  ...(['udp', 'syn', 'odd', 'v6'] as const).map(
    (payload): Attack => ({
      name: `Ethernet frames on every interface, from a false address: ${payload}`,
      call: (mark) => ({ attack: 'frames', to, payload, mark }),
    }),
  ),
  {
    name: 'packets below IP (AF_PACKET, SOCK_DGRAM)',
    call: (mark) => ({ attack: 'cooked_packets', to, mark }),
  },
  {
    name: 'SCTP, as a stream',
    call: (mark) => ({ attack: 'stream', to, port: 80, protocol: 132, mark }),
    to,
    uncontrolled: NO_SCTP,
  },
  {
    name: 'SCTP, as packets',
    call: (mark) => ({ attack: 'seqpacket_sctp', to, port: 80, mark }),
    to,
    uncontrolled: NO_SCTP,
  },
  { name: 'TCP over IPv6', call: (mark) => ({ attack: 'tcp_v6', to: v6, port: 80, mark }), to: v6 },
  {
    name: 'UDP over IPv6',
    call: (mark) => ({ attack: 'send_udp', to: v6, port: 9999, family: 'v6', mark }),
    to: v6,
  },
  { name: 'ICMP over IPv6', call: (mark) => ({ attack: 'raw_v6', to: v6, mark }), to: v6 },
  { name: 'GRE over IPv6', call: (mark) => ({ attack: 'raw_v6', to: v6, protocol: 47, mark }), to: v6 },
  {
    name: 'an IPv6 packet of one’s own making',
    call: (mark) => ({ attack: 'raw_header_v6', to: v6, mark }),
    to: v6,
  },
  {
    name: 'IPv6 to everybody on the link',
    call: (mark) => ({ attack: 'multicast_v6', to: 'ff02::1', port: 9999, mark }),
    to: 'ff02::1',
  },
  {
    name: 'UDP to an IPv4 address in IPv6’s clothes (::ffff:…)',
    call: (mark) => ({ attack: 'send_udp', to: `::ffff:${to}`, port: 9999, family: 'v6', mark }),
    to,
  },
];

/** NET_ADMIN can take away what the gate set up, and lay routes of its own. What remains is a namespace without a way out. */
const TORN: Stage = {
  column: 'the same, gate’s rules removed',
  place: 'admin',
  prepare: {
    name: 'with NET_ADMIN the rules and routes of the gate can be removed',
    async run(setting) {
      await setting.attack('admin', { attack: 'tear_down' });
    },
  },
};

battery.declare(ATTACKS, [AS_ROOT, AS_ADMIN, TORN]);
