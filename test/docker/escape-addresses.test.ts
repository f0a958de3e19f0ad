/** From inside a workspace: TCP to every kind of address that no rule allows. */
import {
  ALLOWED,
  AS_ADMIN,
  AS_ROOT,
  type Attack,
  Battery,
  FORBIDDEN,
  FORBIDDEN_V6,
  isLookup,
  METADATA,
  type Stage,
} from './battery.ts';
import type { ConfinedWorkspace } from './confined-workspace.ts';

const NARROW = `allow:
  - { domain: allowed.test }
`;
const PUBLIC = `allow:
  - { domain: "*", port: any }
  - { cidr: 0.0.0.0/0, port: any }
  - { cidr: "::/0", port: any }
`;
const PRIVATE = PUBLIC.replace('any }', 'any, private: true }');

const battery = new Battery({
  title: 'addresses',
  policy: NARROW,
  attacks: 'addresses.py',
  names: {
    'allowed.test': [[['A', ALLOWED]]],
    'forbidden.test': [[['A', FORBIDDEN]]],
    'metadata.google.internal': [[['A', METADATA]]],
    'metadata6.test': [[['AAAA', 'fd00:ec2::254']]],
    'mapped.test': [[['AAAA', `::ffff:${METADATA}`]]],
    'nat64.test': [[['AAAA', '64:ff9b::a9fe:a9fe']]],
    'sixtofour.test': [[['AAAA', '2002:a9fe:a9fe::1']]],
    'loopback.test': [[['A', '127.0.0.1']]],
    'docker-dns.test': [[['A', '127.0.0.11']]],
    'nowhere.test': [[['A', '0.0.0.0']]],
  },
});

const submitted = (policy: string) => async (setting: ConfinedWorkspace) => {
  const { code, words } = await setting.submit(policy);
  if (code !== 0) throw new Error(words);
};
const PUBLIC_ALLOWED: Stage = {
  column: 'root, every public address allowed',
  place: 'root',
  prepare: { name: 'a policy that allows every public address is taken', run: submitted(PUBLIC) },
};
const PRIVATE_ALLOWED: Stage = {
  column: 'root, private ones too',
  place: 'root',
  prepare: { name: 'a policy that allows private addresses is taken', run: submitted(PRIVATE) },
};
const TORN: Stage = {
  column: 'the gate’s rules removed',
  place: 'admin',
  prepare: {
    name: 'with NET_ADMIN the rules of the gate can be removed',
    async run(setting) {
      await submitted(NARROW)(setting);
      await setting.attack('admin', { attack: 'take_rules_away' });
    },
  },
};
const named = [AS_ROOT, AS_ADMIN].map(({ column }) => column);
const narrow = [...named, TORN.column];
const special = [...narrow, PUBLIC_ALLOWED.column];
const own = [...special, PRIVATE_ALLOWED.column];

const to = FORBIDDEN;

const HOSTS: readonly Attack[] = [
  ...[22, 25, 80, 81, 443, 853, 1080, 3128, 3306, 8080, 8443, 9418, 9464].map(
    (port): Attack => ({
      name: `TCP to port ${port}`,
      call: (mark) => ({ attack: 'send_tcp', to, port, mark }),
      to,
      stages: narrow,
    }),
  ),
  {
    name: 'a client that waits for a server’s words',
    call: (mark) => ({ attack: 'say_nothing', to, port: 22, mark }),
    to,
    stages: narrow,
  },
  { name: 'HTTP to an address', call: (mark) => ({ attack: 'get', to, port: 80, mark }), to, stages: narrow },
  {
    name: 'HTTPS to an address',
    call: (mark) => ({ attack: 'get_tls', to, port: 443, mark }),
    to,
    stages: narrow,
  },
  {
    name: 'HTTP to an address, with an allowed Host',
    call: (mark) => ({ attack: 'get', to, port: 80, host: 'allowed.test', mark }),
    to,
    stages: narrow,
  },
  {
    name: 'HTTPS to an address, with an allowed server name and Host',
    call: (mark) => ({ attack: 'get_tls', to, port: 443, name: 'allowed.test', mark }),
    to,
    stages: narrow,
  },
  {
    name: 'an allowed host by its address',
    call: (mark) => ({ attack: 'get_tls', to: ALLOWED, port: 443, name: 'allowed.test', mark }),
    stages: narrow,
  },
  {
    name: 'an allowed host at another port',
    call: (mark) => ({ attack: 'get', to: 'allowed.test', port: 8443, mark }),
    to: ALLOWED,
    stages: named,
  },
  {
    name: 'an allowed host’s ssh',
    call: (mark) => ({ attack: 'send_tcp', to: 'allowed.test', port: 22, mark }),
    to: ALLOWED,
    stages: named,
  },
  {
    name: 'a forbidden host by name, HTTP',
    call: (mark) => ({ attack: 'get', to: 'forbidden.test', port: 80, mark }),
    to,
    stages: named,
    says: /^403$/,
  },
  {
    name: 'a forbidden host by name, HTTPS',
    call: (mark) => ({ attack: 'get_tls', to: 'forbidden.test', port: 443, name: 'forbidden.test', mark }),
    to,
    stages: named,
    says: /^403$/,
  },
  {
    name: 'MPTCP',
    call: (mark) => ({ attack: 'stream', to, port: 81, protocol: 262, mark }),
    to,
    stages: narrow,
  },
  {
    name: 'TCP Fast Open',
    call: (mark) => ({ attack: 'fast_open', to, port: 81, mark }),
    to,
    stages: narrow,
  },
  {
    name: 'connect(2) by io_uring',
    call: (mark) => ({ attack: 'io_uring', to, port: 81, mark }),
    to,
    stages: narrow,
    uncontrolled: 'where there is io_uring',
  },
  {
    name: 'an IPv4 address in IPv6’s clothes (::ffff:…)',
    call: (mark) => ({ attack: 'tcp_by_v6', to, port: 80, mark }),
    to,
    stages: narrow,
  },
];

function curl(name: string, url: string, leadsTo: string | null, more = ''): Attack {
  return {
    name,
    call: (mark) => ({ attack: 'curl', arguments: `${more} '${url}'`, mark }),
    ...(leadsTo === null ? { uncontrolled: 'the client’s own machine' } : { to: leadsTo }),
    stages: special,
  };
}

function literal(name: string, address: string, uncontrolled?: string): Attack {
  return {
    name: `${name}, ${address}`,
    call: (mark) => ({ attack: 'get', to: address, port: 80, mark }),
    to: address,
    stages: special,
    ...(uncontrolled === undefined ? {} : { uncontrolled }),
  };
}

/** A name that every policy but the narrow one allows, and where it leads. */
function byName(name: string, host: string, leadsTo: string | null, port = 80): Attack {
  return {
    name,
    call: (mark) => ({ attack: 'get', to: host, port, mark }),
    permits: isLookup,
    ...(leadsTo === null ? { uncontrolled: 'the client’s own machine' } : { to: leadsTo }),
    stages: [...named, PUBLIC_ALLOWED.column],
  };
}

const NO_ROUTE = 'TCP has no such destinations';
const SPECIAL: readonly Attack[] = [
  literal('cloud metadata', METADATA),
  {
    name: 'a token of IMDSv2',
    call: (mark) => ({
      attack: 'get',
      to: METADATA,
      port: 80,
      method: 'PUT',
      path: '/latest/api/token',
      more: 'X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n',
      mark,
    }),
    to: METADATA,
    stages: special,
  },
  byName('cloud metadata by name', 'metadata.google.internal', METADATA),
  literal('container credentials', '169.254.170.2'),
  literal('metadata of another cloud', '100.100.100.200'),
  literal('a cloud’s wire server', '168.63.129.16'),
  byName('a name for IPv6’s metadata', 'metadata6.test', 'fd00:ec2::254'),
  byName('a name for metadata in IPv6’s clothes', 'mapped.test', METADATA),
  byName('a name for metadata through NAT64', 'nat64.test', '64:ff9b::a9fe:a9fe'),
  byName('a name for metadata through 6to4', 'sixtofour.test', '2002:a9fe:a9fe::1'),
  {
    name: 'IPv6’s metadata',
    call: (mark) => ({ attack: 'curl', arguments: "'http://[fd00:ec2::254]/'", mark }),
    to: 'fd00:ec2::254',
    stages: special,
  },
  {
    name: 'a public IPv6 address',
    call: (mark) => ({ attack: 'curl', arguments: `'http://[${FORBIDDEN_V6}]/'`, mark }),
    to: FORBIDDEN_V6,
    stages: special,
  },
  {
    name: 'IPv6, v4-mapped metadata',
    call: (mark) => ({ attack: 'curl', arguments: `'http://[::ffff:${METADATA}]/'`, mark }),
    to: METADATA,
    stages: special,
  },
  curl('IPv6’s loopback', 'http://[::1]/', null),
  curl('a link-local IPv6 address with its zone', 'http://[fe80::1%25lo]/', null),
  curl('metadata as one number', 'http://2852039166/', METADATA),
  curl('metadata in hex', 'http://0xA9FEA9FE/', METADATA),
  curl('metadata in octal', 'http://0251.0376.0251.0376/', METADATA),
  curl('metadata in three parts', 'http://169.254.43518/', METADATA),
  curl('127.1', 'http://127.1/', null),
  curl('0', 'http://0/', null),
  literal('a private address', '10.0.0.5'),
  literal('a private address', '172.16.0.5'),
  literal('a private address', '192.168.0.5'),
  literal('carrier-grade NAT', '100.64.0.5'),
  literal('link-local', '169.254.7.7'),
  literal('this network', '0.1.2.3', NO_ROUTE),
  literal('multicast', '224.0.0.1', NO_ROUTE),
  literal('broadcast', '255.255.255.255', NO_ROUTE),
  literal('reserved', '240.0.0.5', NO_ROUTE),
  literal('an address of the boundary’s range', '198.18.200.200'),
  literal('the address of an engine’s bridge', '172.17.0.1'),
  byName('host.docker.internal', 'host.docker.internal', '172.17.0.1'),
  byName('a name for the unspecified address', 'nowhere.test', null),
  {
    name: 'the host, on the sidecar’s network',
    call: (mark, { host }, { port }) => ({ attack: 'get', to: host, port, mark }),
    to: 'host',
    stages: special,
  },
  {
    name: 'a published port of the host',
    call: (mark, { host, publishedPort }) => ({ attack: 'get', to: host, port: publishedPort, mark }),
    stages: special,
  },
  {
    name: 'a container beside the sidecar',
    call: (mark, { neighbour }) => ({ attack: 'get', to: neighbour.address, port: 8080, mark }),
    to: ({ neighbour }) => neighbour.address,
    stages: special,
  },
  {
    name: 'a container beside the sidecar, by its name',
    call: (mark, { names }) => ({ attack: 'get', to: `${names.prefix}-neighbour`, port: 8080, mark }),
    to: ({ neighbour }) => neighbour.address,
    stages: [...named, PUBLIC_ALLOWED.column],
  },
];

const LOOPBACK_ONLY = 'listens on the sidecar’s loopback alone';
const METRICS = /^200/;
const OWN: readonly Attack[] = [
  {
    name: 'the sidecar’s metrics',
    call: (mark, { sidecarAddress }) => ({
      attack: 'get',
      to: sidecarAddress,
      port: 9464,
      path: '/metrics',
      mark,
    }),
    reached: METRICS,
    stages: own,
  },
  {
    name: 'the sidecar’s metrics, by its container’s name',
    call: (mark, { names }) => ({
      attack: 'get',
      to: names.part('sidecar'),
      port: 9464,
      path: '/metrics',
      mark,
    }),
    reached: METRICS,
    stages: own.filter((column) => column !== TORN.column),
  },
  ...[8080, 9090].flatMap((port): readonly Attack[] => {
    const what = port === 8080 ? 'explicit proxy' : 'control listener';
    const stages = own.filter((column) => column !== TORN.column);
    return [
      {
        name: `the sidecar’s ${what}, by its address`,
        call: (mark, { sidecarAddress }) => ({
          attack: 'get',
          to: sidecarAddress,
          port,
          path: '/healthz',
          mark,
        }),
        reached: METRICS,
        uncontrolled: LOOPBACK_ONLY,
        stages: own,
      },
      {
        name: `the sidecar’s ${what}, by a name for 127.0.0.1`,
        call: (mark) => ({ attack: 'get', to: 'loopback.test', port, path: '/healthz', mark }),
        reached: METRICS,
        permits: isLookup,
        uncontrolled: LOOPBACK_ONLY,
        stages,
      },
    ];
  }),
  {
    name: 'the engine’s name server in the sidecar, by a name for 127.0.0.11',
    call: (mark) => ({ attack: 'send_tcp', to: 'docker-dns.test', port: 53, mark }),
    permits: isLookup,
    uncontrolled: 'the client’s own machine',
    stages: own.filter((column) => column !== TORN.column),
  },
  ...['127.0.0.1', '127.9.9.9', '198.18.0.53', FORBIDDEN].map(
    (address): Attack => ({
      name: `the gate’s socket itself, at ${address}`,
      call: (mark) => ({ attack: 'gate_tcp', to: address, host: 'allowed.test', mark }),
      stages: narrow,
      uncontrolled: 'there is no gate',
    }),
  ),
  ...['127.0.0.1', '198.18.0.53'].map(
    (address): Attack => ({
      name: `the gate’s DNS socket itself, at ${address}`,
      call: (mark) => ({ attack: 'gate_udp', to: address, mark }),
      stages: address === '127.0.0.1' ? narrow : [TORN.column],
      uncontrolled: 'there is no gate',
    }),
  ),
  {
    name: 'the boundary’s page, at another port',
    call: (mark) => ({ attack: 'send_tcp', to: 'boundary.internal', port: 9464, mark }),
    stages: [...named, PUBLIC_ALLOWED.column, PRIVATE_ALLOWED.column],
    uncontrolled: 'there is no page',
  },
  {
    name: 'AF_VSOCK to the machine',
    call: (mark) => ({ attack: 'vsock', cid: 1, port: 9999, mark }),
    stages: narrow,
    uncontrolled: 'where the kernel has it',
  },
];

const REACHABLE: readonly Attack[] = [
  {
    name: 'to compare: an allowed host',
    call: (mark) => ({ attack: 'get_tls', to: 'allowed.test', port: 443, name: 'allowed.test', mark }),
    to: ALLOWED,
    passes: true,
    says: /^200 reached$/,
    stages: named,
  },
];

battery.declare(
  [...REACHABLE, ...HOSTS, ...SPECIAL, ...OWN],
  [AS_ROOT, AS_ADMIN, PUBLIC_ALLOWED, PRIVATE_ALLOWED, TORN],
);
