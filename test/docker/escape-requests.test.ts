/** From inside a workspace: requests that want to be taken for others, relays, tunnels, and other people's protocols. */
import {
  ALLOWED,
  AS_ADMIN,
  AS_ROOT,
  type Attack,
  Battery,
  FORBIDDEN,
  isAllowed,
  METADATA,
} from './battery.ts';

const DEPLOYMENT = '52.20.7.7';

const battery = new Battery({
  title: 'requests',
  policy: `allow:
  - { domain: allowed.test }
  - { domain: raw.test, port: [7000, 22], protocol: tcp }
`,
  attacks: 'requests.py',
  reaches: [DEPLOYMENT],
  environment: ['BOUNDARY_DEPLOYMENT=https://deployment.test:7443'],
  names: {
    'allowed.test': [[['A', ALLOWED]]],
    'raw.test': [[['A', ALLOWED]]],
    'deployment.test': [[['A', DEPLOYMENT]]],
    'twin.test': [[['A', DEPLOYMENT]]],
    'forbidden.test': [[['A', FORBIDDEN]]],
    'controlplane.tailscale.com': [[['A', FORBIDDEN]]],
  },
});

const to = FORBIDDEN;
const curl = (name: string, text: string, more: Partial<Attack> & { variables?: string } = {}): Attack => {
  const { variables = '', ...rest } = more;
  return { name, call: (mark) => ({ attack: 'curl', arguments: text, variables, mark }), to, ...rest };
};
const said = (
  name: string,
  at: string,
  port: number,
  text: string,
  more: Partial<Attack> & { tls?: string } = {},
): Attack => {
  const { tls, ...rest } = more;
  return {
    name,
    call: (mark) => ({ attack: 'said_raw', to: at, port, text, mark, ...(tls === undefined ? {} : { tls }) }),
    ...rest,
  };
};

const head = (line: string, host: string) => `${line} HTTP/1.1\r\nHost: ${host}\r\nX-Mark: MARK\r\n\r\n`;
const NO_PROXY = '-u http_proxy -u https_proxy -u HTTPS_PROXY -u all_proxy -u ALL_PROXY';

const VARIABLES: readonly Attack[] = [
  curl('no proxy variable at all', 'https://forbidden.test/', { variables: NO_PROXY, says: /^0: 403/ }),
  curl('NO_PROXY=*', 'https://forbidden.test/', { variables: "NO_PROXY='*' no_proxy='*'" }),
  curl('ALL_PROXY empty', 'http://forbidden.test/', { variables: 'ALL_PROXY= all_proxy=' }),
  curl('http_proxy=direct', 'http://forbidden.test/', {
    variables: 'http_proxy=direct',
    uncontrolled: 'curl wants a proxy called direct',
  }),
  curl('a forbidden host as a proxy', 'https://allowed.test/', {
    variables: `https_proxy=http://${to}:3128`,
  }),
  curl('a forbidden host as a SOCKS proxy', 'https://allowed.test/', {
    variables: `ALL_PROXY=socks5h://${to}:1080`,
  }),
  curl('an allowed host as a proxy, CONNECT', 'https://forbidden.test/', {
    variables: 'https_proxy=http://allowed.test:80',
    to: ALLOWED,
  }),
  curl('an allowed host as a proxy, plain', 'http://forbidden.test/', {
    variables: 'http_proxy=http://allowed.test:80',
    to: ALLOWED,
  }),
];

const REQUESTS: readonly Attack[] = [
  said(
    'an absolute URL to an allowed host’s port',
    'allowed.test',
    80,
    head('GET http://forbidden.test/', 'forbidden.test'),
    { to: ALLOWED },
  ),
  said(
    'an absolute URL that Host contradicts',
    'allowed.test',
    80,
    head('GET http://allowed.test/', 'forbidden.test'),
    { to: ALLOWED },
  ),
  said('a forbidden Host', 'allowed.test', 80, head('GET /', 'forbidden.test'), { to: ALLOWED }),
  said(
    'two Hosts',
    'allowed.test',
    80,
    'GET / HTTP/1.1\r\nHost: allowed.test\r\nHost: forbidden.test\r\nX-Mark: MARK\r\n\r\n',
    { to: ALLOWED },
  ),
  said(
    'CONNECT to an allowed host’s port',
    'allowed.test',
    80,
    head('CONNECT forbidden.test:443', 'forbidden.test:443'),
    { to: ALLOWED },
  ),
  said('a forbidden Host inside TLS', 'allowed.test', 443, head('GET /', 'forbidden.test'), {
    tls: 'allowed.test',
    to: ALLOWED,
  }),
  said(
    'an absolute URL inside TLS',
    'allowed.test',
    443,
    head('GET https://forbidden.test/', 'forbidden.test'),
    { tls: 'allowed.test', to: ALLOWED },
  ),
  said('CONNECT inside TLS', 'allowed.test', 443, head('CONNECT forbidden.test:443', 'forbidden.test:443'), {
    tls: 'allowed.test',
    to: ALLOWED,
  }),
  said('a forbidden server name at an allowed host', 'allowed.test', 443, head('GET /', 'allowed.test'), {
    tls: 'forbidden.test',
    to: ALLOWED,
  }),
  said('TLS spoken at port 80', 'allowed.test', 80, head('GET /', 'forbidden.test'), {
    tls: 'allowed.test',
    to: ALLOWED,
  }),
  curl('HTTP/2 with another :authority', "--http2 -H 'Host: forbidden.test' https://allowed.test/", {
    to: ALLOWED,
  }),
  curl('HTTP/2 without TLS', '--http2-prior-knowledge http://allowed.test/', { to: ALLOWED }),
  {
    name: 'a forbidden second request on one connection',
    call: (mark) => ({
      attack: 'said_raw',
      to: 'allowed.test',
      port: 80,
      text: `GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n${head('GET /second', 'forbidden.test')}`,
      mark,
    }),
    permits: (arrival, setting) => isAllowed(arrival, setting) && arrival.marks.length === 0,
    says: /^200 4\d\d$/,
  },
  {
    name: 'a forbidden request hidden in a body (two lengths)',
    call: (mark) => ({
      attack: 'said_raw',
      to: 'allowed.test',
      port: 80,
      text: `POST / HTTP/1.1\r\nHost: allowed.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${head('GET /', 'forbidden.test')}`,
      mark,
    }),
    to: ALLOWED,
  },
  curl(
    'a redirect of an allowed host to metadata',
    `-L 'http://allowed.test/?to=http://${METADATA}/latest/'`,
    {
      permits: isAllowed,
      to: METADATA,
      says: /^0: 403/,
    },
  ),
  curl(
    'a redirect of an allowed host to a forbidden one',
    "-L 'https://allowed.test/?to=https://forbidden.test/'",
    { permits: isAllowed, says: /^0: 403/ },
  ),
  {
    name: 'WebSocket to a forbidden host',
    call: (mark) => ({ attack: 'websocket', to: 'forbidden.test', port: 80, mark }),
    to,
  },
  {
    name: 'WebSocket in TLS to a forbidden host',
    call: (mark) => ({ attack: 'websocket', to: 'forbidden.test', port: 443, name: 'forbidden.test', mark }),
    to,
  },
  {
    name: 'WebSocket to a forbidden host’s other port',
    call: (mark) => ({ attack: 'websocket', to: 'forbidden.test', port: 8080, mark }),
    to,
  },
];

const PROTOCOLS: readonly Attack[] = [
  {
    name: 'ssh to a forbidden host',
    call: (mark) => ({ attack: 'ssh', to: 'forbidden.test', port: 22, mark }),
    to,
    says: /No rule allows/,
  },
  { name: 'ssh to a forbidden address', call: (mark) => ({ attack: 'ssh', to, port: 22, mark }), to },
  {
    name: 'ssh at another port',
    call: (mark) => ({ attack: 'ssh', to: 'forbidden.test', port: 2222, mark }),
    to,
  },
  { name: 'ssh at port 443', call: (mark) => ({ attack: 'ssh', to: 'forbidden.test', port: 443, mark }), to },
  {
    name: 'ssh -R through a forbidden host',
    call: (mark) => ({
      attack: 'ssh',
      to: 'forbidden.test',
      port: 22,
      more: '-N -R 9000:localhost:22',
      mark,
    }),
    to,
  },
  {
    name: 'git over ssh',
    call: (mark) => ({
      attack: 'command',
      text: "GIT_SSH_COMMAND='ssh -o StrictHostKeyChecking=no -o BatchMode=yes' git ls-remote ssh://git@forbidden.test/MARK",
      mark,
    }),
    to,
  },
  {
    name: 'git’s own protocol',
    call: (mark) => ({ attack: 'command', text: 'git ls-remote git://forbidden.test/MARK', mark }),
    to,
  },
  {
    name: 'git over https',
    call: (mark) => ({
      attack: 'command',
      text: 'git -c http.sslVerify=false ls-remote https://forbidden.test/MARK',
      mark,
    }),
    to,
  },
  {
    name: 'a tcp rule’s host at a port that it does not name',
    call: (mark) => ({ attack: 'said_raw', to: 'raw.test', port: 7001, text: 'MARK\n', mark }),
    to: ALLOWED,
  },
  { name: 'WireGuard’s port', call: (mark) => ({ attack: 'datagram', to, port: 51820, mark }), to },
  { name: 'STUN', call: (mark) => ({ attack: 'datagram', to, port: 3478, mark }), to },
  {
    name: 'cloudflared’s port',
    call: (mark) => ({ attack: 'said_raw', to, port: 7844, text: 'MARK\n', mark }),
    to,
  },
  curl('Tailscale’s control plane', 'https://controlplane.tailscale.com/'),
];

const SOCKS = ['SOCKS5 without a name', 'SOCKS5 with a password', 'SOCKS5 by GSSAPI', 'SOCKS4', 'SOCKS4a'];
const NO_GATE = 'there is no gate';
const RELAYS: readonly Attack[] = [
  ...SOCKS.flatMap((what): readonly Attack[] => [
    {
      name: `${what} to the gate’s socket`,
      call: (mark) => ({ attack: 'socks', to: '127.0.0.1', what, mark }),
      uncontrolled: NO_GATE,
    },
    {
      name: `${what} to an allowed host`,
      call: (mark) => ({ attack: 'socks', to: 'allowed.test', port: 80, what, mark }),
      to: ALLOWED,
    },
  ]),
  {
    name: 'a relay of one’s own, run by another user',
    call: (mark) => ({ attack: 'relay', to: 'forbidden.test', port: 80, mark }),
    to,
  },
  {
    name: 'another user, without a capability',
    call: (mark) => ({ attack: 'as_user', uid: 4242, runs: 'get', to: 'forbidden.test', mark }),
    to,
  },
  {
    name: 'the container beside the sidecar as a proxy',
    call: (mark, { neighbour }) => ({
      attack: 'said_raw',
      to: neighbour.address,
      port: 8080,
      text: head('CONNECT forbidden.test:443', 'forbidden.test:443'),
      mark,
    }),
    to: ({ neighbour }) => neighbour.address,
  },
  {
    name: 'the sidecar’s metrics listener as a proxy',
    call: (mark, { sidecarAddress }) => ({
      attack: 'said_raw',
      to: sidecarAddress,
      port: 9464,
      text: head('GET http://forbidden.test/', 'forbidden.test'),
      mark,
    }),
    uncontrolled: 'it is no proxy',
  },
];

const page = (name: string, path: string, says: RegExp, method = 'GET', body = ''): Attack => ({
  name,
  call: (mark) => ({ attack: 'page', path, method, body, mark }),
  says,
  uncontrolled: 'there is no page',
});
const PAGE: readonly Attack[] = [
  page('the control API, at the boundary’s page: /v1/policy', '/v1/policy', /^404$/),
  page(
    'the control API: a policy of one’s own',
    '/v1/policy',
    /^40[45]$/,
    'POST',
    '{"file":"x","text":"allow:\\n  - domain: \\"*\\"\\n"}',
  ),
  page('the control API: /v1/ready', '/v1/ready', /^404$/),
  page('the control API: /metrics', '/metrics', /^404$/),
  page('the control API: another method', '/', /^405$/, 'DELETE'),
  page('the page’s files: a path out of them', '/../../../../var/lib/boundary/ca/ca-key.pem', /^40[04]$/),
  page(
    'the page’s files: a path out of them, encoded',
    '/%2e%2e/%2e%2e/var/lib/boundary/ca/ca-key.pem',
    /^40[04]$/,
  ),
  said(
    'the boundary’s page as a proxy',
    'boundary.internal',
    80,
    head('GET http://forbidden.test/', 'forbidden.test'),
    { uncontrolled: 'there is no page' },
  ),
  said(
    'the boundary’s page as a proxy, CONNECT',
    'boundary.internal',
    80,
    head('CONNECT forbidden.test:443', 'forbidden.test:443'),
    { uncontrolled: 'there is no page' },
  ),
];

const DEPLOYMENTS: readonly Attack[] = [
  {
    name: 'another server name, said to the deployment',
    call: (mark) => ({ attack: 'get_tls', to: 'deployment.test', port: 7443, name: 'forbidden.test', mark }),
    to: DEPLOYMENT,
  },
  {
    name: 'the deployment’s host at another port',
    call: (mark) => ({ attack: 'get', to: 'deployment.test', port: 80, mark }),
    to: DEPLOYMENT,
  },
  {
    name: 'the deployment’s host, ssh',
    call: (mark) => ({ attack: 'ssh', to: 'deployment.test', port: 22, mark }),
    to: DEPLOYMENT,
  },
  {
    name: 'the deployment by its address',
    call: (mark) => ({ attack: 'get_tls', to: DEPLOYMENT, port: 7443, name: 'deployment.test', mark }),
    to: DEPLOYMENT,
  },
  {
    name: 'another name of the deployment’s address',
    call: (mark) => ({ attack: 'get_tls', to: 'twin.test', port: 7443, name: 'twin.test', mark }),
    to: DEPLOYMENT,
  },
  {
    name: 'a name below the deployment’s',
    call: (mark) => ({ attack: 'get_tls', to: 'x.deployment.test', port: 7443, mark }),
    uncontrolled: 'there is no such name',
  },
];

const PASSING: readonly Attack[] = [
  {
    name: 'to compare: WebSocket to an allowed host',
    call: (mark) => ({ attack: 'websocket', to: 'allowed.test', port: 80, mark }),
    to: ALLOWED,
    passes: true,
    says: /^101$/,
  },
  {
    name: 'to compare: the port of a tcp rule',
    call: (mark) => ({ attack: 'said_raw', to: 'raw.test', port: 7000, text: 'MARK\n', mark }),
    to: ALLOWED,
    passes: true,
  },
  {
    name: 'to compare: the deployment',
    call: (mark) => ({ attack: 'get_tls', to: 'deployment.test', port: 7443, name: 'deployment.test', mark }),
    to: DEPLOYMENT,
    passes: true,
    says: /^200 reached$/,
  },
  {
    name: 'not closed: another Host, in TLS with the deployment’s name',
    call: (mark) => ({
      attack: 'get_tls',
      to: 'deployment.test',
      port: 7443,
      name: 'deployment.test',
      host: 'forbidden.test',
      mark,
    }),
    to: DEPLOYMENT,
    passes: true,
    says: /^200 reached$/,
  },
];

battery.declare(
  [...PASSING, ...VARIABLES, ...REQUESTS, ...PROTOCOLS, ...RELAYS, ...PAGE, ...DEPLOYMENTS],
  [AS_ROOT, AS_ADMIN],
);
