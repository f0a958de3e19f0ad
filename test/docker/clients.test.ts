/**
 * Real clients in a workspace of examples/docker, run by the agent's stand-in with the environment that the module gives
 * the agent: no proxy variable is among it. Each is looked at from three sides: what it shows, what the audit log has,
 * what the metrics count. Upstreams are servers of this machine under names in the sidecar's network.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, it, type TestContext } from 'node:test';
import { WebSocketServer } from 'ws';
import { gitHandler, makeRepository } from '../clients/git-server.ts';
import { npmRegistry, pipIndex } from '../clients/package-sources.ts';
import { type SshServer, startSshServer } from '../clients/ssh-server.ts';
import type { AgentSession } from '../harness/agent-session.ts';
import { told } from '../harness/behind-boundary.ts';
import { type AuditRecord, sampleSum } from '../harness/behind-gate.ts';
import type { Ended } from '../harness/boundary.ts';
import { docker } from '../harness/docker-cli.ts';
import { type ExampleWorkspace, openExample } from '../harness/example-workspace.ts';
import { type Relay, startRelay } from '../harness/relay.ts';
import { type Handler, startUpstream, type Upstream } from '../harness/upstream.ts';

const POLICY = `allow:
  - { domain: www.example.test, path: [/open, /open/*], private: true }
  - { domain: ws.example.test, methods: [GET], path: /socket, private: true }
  - { repo: git.example.test/acme/tool, private: true }
  - { domain: registry.example.test, methods: [GET], private: true }
  - { domain: pypi.example.test, methods: [GET], private: true }
  - { domain: ssh.example.test, port: 22, protocol: tcp, private: true }
  - { domain: db.example.test, port: 5432, protocol: tcp, private: true }
  - { cidr: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16], port: 8081 }
`;
const HOSTS = ['www', 'git', 'registry', 'pypi'].map((name) => `${name}.example.test`);
/** A server that speaks first, as databases do. */
const GREETING = 'J\0\0\0\n8.0.36-stand-in\0';
/** Clients' own time-outs are several times as long. */
const AT_ONCE_MS = 8_000;

const directory = mkdtempSync(join(tmpdir(), 'boundary-docker-clients-'));
const closers: (() => Promise<void> | void)[] = [];
let example: ExampleWorkspace;
let agent: AgentSession;
let ssh: SshServer;
let forbidden: Upstream;
let allowed: Relay;

async function listening(server: Server): Promise<number> {
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  closers.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function upstream(options: Parameters<typeof startUpstream>[0]): Promise<Upstream> {
  const started = await startUpstream({ ...options, host: '0.0.0.0' });
  closers.push(() => started.close());
  return started;
}

before(async () => {
  makeRepository(join(directory, 'git'), 'acme', 'tool');
  const handlers: Record<string, Handler> = {
    git: gitHandler(join(directory, 'git')),
    registry: npmRegistry(mkdtempSync(join(directory, 'npm-')), () => 'https://registry.example.test'),
    pypi: pipIndex(join(directory, 'pypi')),
  };
  example = await openExample();
  const { ca } = example;
  const web = await upstream({
    http2: true,
    tls: { ca, hosts: HOSTS },
    handler(request, response) {
      const host = request.headers.host ?? String(request.headers[':authority']);
      const handler = handlers[host.split('.', 1)[0] ?? ''];
      if (handler === undefined) response.end(`open to HTTP/${request.httpVersion}\n`);
      else handler(request, response);
    },
  });
  const sockets = await upstream({ tls: { ca, hosts: ['ws.example.test'] } });
  const echo = new WebSocketServer({ noServer: true });
  sockets.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    echo.handleUpgrade(request, socket, head, (client) =>
      client.on('message', (data, isBinary) => client.send(data, { binary: isBinary })),
    ),
  );
  const database = await listening(
    createServer((socket) => {
      socket.on('error', () => {}).write(GREETING);
      socket.on('data', (bytes) => socket.write(`you said ${bytes}`));
    }),
  );
  const literal = await upstream({});
  forbidden = await upstream({});
  ssh = await startSshServer(directory);
  closers.push(async () => ssh[Symbol.asyncDispose]());

  await example.apply(POLICY);
  const egress = example.egress;
  allowed = await startRelay(egress, [...HOSTS, 'ssh.example.test', 'db.example.test'], {
    443: web.port,
    22: ssh.port,
    5432: database,
    8081: literal.port,
  });
  const ofSockets = await startRelay(egress, ['ws.example.test'], { 443: sockets.port });
  const ofForbidden = await startRelay(egress, ['forbidden.example.test'], {
    ...{ 80: forbidden.port, 443: forbidden.port, 22: forbidden.port, 5432: forbidden.port },
  });
  for (const relay of [allowed, ofSockets, ofForbidden])
    closers.push(async () => relay[Symbol.asyncDispose]());
  agent = await example.nextAgent();
});

after(async () => {
  for (const close of closers.reverse()) await close();
  await example?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a script as a child of the agent; its environment is what the agent gives to its children. */
const shell = (script: string): Promise<Ended> => agent.run(['bash', '-c', script]);

async function say(context: TestContext, version: string): Promise<void> {
  const { stdout, stderr } = await shell(version);
  context.diagnostic(`client: ${(stdout || stderr).trim().split('\n', 1)[0]}`);
}

interface Decision {
  readonly verdict: 'allow' | 'deny';
  readonly protocol: 'http' | 'https' | 'tls' | 'tcp' | 'dns';
}

/** Runs a script, waits for the record of one decision of it, and sees the decision counted. */
async function judged(script: string, decision: Decision & AuditRecord): Promise<Ended> {
  const { verdict, protocol } = decision;
  const count = () => example.behind.metric('boundary_decisions_total', { verdict, protocol });
  const before = await count();
  const result = await shell(script);
  try {
    await example.behind.recorded(decision);
  } catch (error) {
    throw new Error(`${told(result)}\n${error instanceof Error ? error.message : error}`);
  }
  assert.ok((await count()) > before, `boundary_decisions_total counted no ${verdict} of ${protocol}`);
  return result;
}

describe('HTTP', () => {
  for (const [flag, version] of [
    ['--http1.1', '1.1'],
    ['--http2', '2'],
  ]) {
    it(`curl ${flag}, TLS opened`, async (context) => {
      await say(context, 'curl --version | cut -d" " -f1-2');
      const path = `/open/${version}`;
      const result = await judged(
        `curl -sS ${flag} -w '%{http_version} %{response_code}' https://www.example.test${path}`,
        {
          verdict: 'allow',
          protocol: 'https',
          method: 'GET',
          url: `https://www.example.test${path}`,
          status: 200,
          address: allowed.address,
        },
      );
      assert.equal(result.stdout, `open to HTTP/1.1\n${version} 200`, told(result));
    });
  }

  it('curl, a path that no rule allows: 403 with the reason', async () => {
    const url = 'https://www.example.test/shut';
    const result = await judged(`curl -sS -w '%{response_code}' ${url}`, {
      verdict: 'deny',
      protocol: 'https',
      method: 'GET',
      url,
      status: 403,
    });
    assert.match(result.stdout, /^boundary denied this request\.[\s\S]*\/shut[\s\S]*403$/, told(result));
  });

  for (const [protocol, url] of [
    ['http', 'http://forbidden.example.test/'],
    ['https', 'https://forbidden.example.test/'],
    ['http', 'http://192.0.2.55/'],
    ['https', 'https://192.0.2.55/'],
  ] as const) {
    it(`curl, ${url}: told so inside what it speaks`, async () => {
      const result = await judged(`curl -sS -w '%{response_code}' ${url}`, {
        verdict: 'deny',
        protocol,
        url,
        status: 403,
        address: null,
      });
      assert.match(result.stdout, /^boundary denied this request\.[\s\S]*403$/, told(result));
      assert.equal(forbidden.connections(), 0);
    });
  }

  it('an address literal that a cidr rule names', async () => {
    const url = `http://${allowed.address}:8081/literal`;
    const result = await judged(`curl -sS ${url}`, { verdict: 'allow', protocol: 'http', url, status: 200 });
    assert.equal(result.stdout, 'GET /literal 0\n', told(result));
  });

  it('WebSocket inside opened TLS', async (context) => {
    await say(context, 'echo "node $(node --version)"');
    const script = `const s = new WebSocket('wss://ws.example.test/socket'); const stay = setInterval(() => {}, 1000);
      s.onopen = () => s.send('one'); s.onerror = (e) => console.log('error', e.message);
      s.onclose = () => clearInterval(stay);
      s.onmessage = ({ data }) => { console.log(data); data === 'one' ? s.send('two') : s.close(); };`;
    const result = await judged(`node -e "${script}"`, {
      verdict: 'allow',
      protocol: 'https',
      url: 'https://ws.example.test/socket',
      status: 101,
    });
    assert.equal(result.stdout, 'one\ntwo\n', told(result));
  });
});

describe('package managers and git', () => {
  it('git clones over https; its push is denied at the discovery', async (context) => {
    await say(context, 'git --version');
    const origin = 'https://git.example.test/acme/tool.git';
    const clone = await judged(`cd && rm -rf tool && git clone -q ${origin} && cat tool/README.md`, {
      verdict: 'allow',
      protocol: 'https',
      method: 'POST',
      url: `${origin}/git-upload-pack`,
      status: 200,
    });
    assert.equal(clone.stdout, 'behind the boundary\n', told(clone));
    const push = await judged(
      'cd ~/tool && git commit -q --allow-empty -m Second && git push -q origin main',
      {
        verdict: 'deny',
        protocol: 'https',
        url: `${origin}/info/refs?service=***`,
        status: 403,
      },
    );
    assert.match(push.stderr, /The requested URL returned error: 403/, told(push));
  });

  it('npm installs a package', async (context) => {
    await say(context, 'echo "npm $(npm --version)"');
    const install = 'npm install --no-audit --no-fund --registry https://registry.example.test left-behind';
    const result = await judged(
      `mkdir -p ~/npm && cd ~/npm && ${install} && node -p "require('left-behind')"`,
      {
        verdict: 'allow',
        protocol: 'https',
        url: 'https://registry.example.test/left-behind/-/left-behind-1.0.0.tgz',
        status: 200,
      },
    );
    assert.match(result.stdout, /\n42\n$/, told(result));
  });

  it('pip installs a package', async (context) => {
    await say(context, 'python3 -m pip --version');
    const install =
      'python3 -m pip install --no-cache-dir --no-deps --target pip --index-url https://pypi.example.test/simple left-behind';
    const result = await judged(
      `cd && ${install} && PYTHONPATH=pip python3 -c "import left_behind; print(left_behind.answer)"`,
      {
        verdict: 'allow',
        protocol: 'https',
        url: 'https://pypi.example.test/files/left_behind-1.0.0-py3-none-any.whl',
        status: 200,
      },
    );
    assert.match(result.stdout, /\n42\n$/, told(result));
  });
});

const PYTHON =
  "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode(), end='')";
const REQUESTS = "import sys, requests; print(requests.get(sys.argv[1]).text, end='')";
const FETCH = 'fetch(process.argv[1]).then((a) => a.text()).then((t) => process.stdout.write(t))';

describe('clients with a trust store of their own', () => {
  for (const [name, version, command] of [
    ['wget', 'wget --version', 'wget -q -O -'],
    ['urllib', 'python3 --version', `python3 -c "${PYTHON}"`],
    [
      'requests',
      'python3 -c "import requests; print(\'requests\', requests.__version__)"',
      `python3 -c "${REQUESTS}"`,
    ],
    ['fetch', 'echo "node $(node --version)"', `node -e "${FETCH}"`],
  ] as const) {
    it(`${name} trusts the boundary by the environment alone`, async (context) => {
      await say(context, version);
      const url = `https://www.example.test/open/${name}`;
      const result = await judged(`${command} ${url}`, {
        verdict: 'allow',
        protocol: 'https',
        url,
        status: 200,
      });
      assert.match(result.stdout, /^open to HTTP/, told(result));
    });
  }
});

const JAVA = `import java.net.URI;
import java.net.http.*;
class Ask {
  public static void main(String[] arguments) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
    System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
  }
}`;

// A runtime that the JDK of this machine makes, where there is one: the workspace's image has none.
if (spawnSync('jlink', ['--version']).status === 0) {
  describe('Java', () => {
    it('trusts the boundary by JAVA_TOOL_OPTIONS alone', async (context) => {
      const at = (name: string) => join(directory, name);
      const modules = [
        '--add-modules',
        'java.base,java.net.http,jdk.crypto.ec',
        '--strip-debug',
        '--no-header-files',
      ];
      execFileSync('jlink', [...modules, '--output', at('java')], { stdio: 'ignore' });
      writeFileSync(at('Ask.java'), JAVA);
      execFileSync('javac', ['-d', at('java'), at('Ask.java')], { stdio: 'ignore' });
      await docker(['cp', '--quiet', at('java'), `${example.behind.names.workspace}:/tmp/java`]);
      await say(context, '/tmp/java/bin/java -version 2>&1 | grep -i version');
      const url = 'https://www.example.test/open/java';
      const decision = { verdict: 'allow', protocol: 'https', url, status: 200 } as const;
      const result = await judged(`/tmp/java/bin/java -cp /tmp/java Ask ${url}`, decision);
      assert.match(result.stdout, /^open to HTTP/, told(result));
    });
  });
}

const SSH =
  'ssh -T -F /dev/null -i ~/.ssh/test -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR';
/** Reads what the server says first, answers, and prints both. */
const DATABASE_CLIENT = `
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
s.settimeout(30)
try:
    print(s.recv(100)); s.sendall(b"SELECT 1"); print(s.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
`;
const database = (host: string) => `python3 -c '${DATABASE_CLIENT}' ${host} 5432`;

describe('other protocols over TCP', () => {
  before(async () => {
    const key = readFileSync(ssh.clientKey, 'utf8');
    const write = 'mkdir -p ~/.ssh && cat > ~/.ssh/test && chmod 600 ~/.ssh/test';
    assert.equal((await agent.run(['bash', '-c', write], { input: key })).code, 0);
  });

  it('ssh to a host that a tcp rule names', async (context) => {
    await say(context, 'ssh -V');
    const decision = { verdict: 'allow', protocol: 'tcp', host: 'ssh.example.test', port: 22 } as const;
    const command = `${SSH} ${userInfo().username}@ssh.example.test 'cat | wc -c' < /bin/sh`;
    const result = await judged(command, { ...decision, url: 'tcp://ssh.example.test:22' });
    const { stdout: size } = await shell('wc -c < /bin/sh');
    assert.equal(result.stdout.trim(), size.trim(), told(result));
  });

  for (const host of ['forbidden.example.test', '192.0.2.55']) {
    it(`ssh to ${host} ends at once and says why`, async () => {
      const result = await judged(`${SSH} someone@${host} true`, {
        verdict: 'deny',
        protocol: 'tcp',
        host,
        port: 22,
        address: null,
      });
      assert.equal(result.code, 255, told(result));
      assert.match(result.stderr, /Received disconnect from .*: boundary denied this connection\. /);
      assert.equal(forbidden.connections(), 0);
    });
  }

  it('a database that speaks first, at a host that a tcp rule names', async () => {
    const decision = { verdict: 'allow', protocol: 'tcp', host: 'db.example.test', port: 5432 } as const;
    const result = await judged(database('db.example.test'), {
      ...decision,
      url: 'tcp://db.example.test:5432',
    });
    assert.match(result.stdout, /^b'J.*8\.0\.36-stand-in.*'\nyou said SELECT 1\n$/, told(result));
  });

  it('a database at another host: the client, which waits to be spoken to, is reset', async () => {
    const denied = { verdict: 'deny', protocol: 'tcp', host: 'forbidden.example.test', port: 5432 } as const;
    const result = await judged(database('forbidden.example.test'), { ...denied, address: null });
    assert.equal(result.stdout, 'ConnectionResetError\n', told(result));
    assert.equal(forbidden.connections(), 0);
  });
});

/** Runs what must fail before any time-out of the client's own could be the reason. */
async function refusedAtOnce(script: string): Promise<Ended> {
  const began = performance.now();
  const result = await shell(script);
  const took = performance.now() - began;
  assert.notEqual(result.code, 0, told(result));
  assert.ok(took < AT_ONCE_MS, `it took ${Math.round(took)} ms: ${told(result)}`);
  return result;
}

describe('what has no way out at all is refused by the kernel, and no process sees it', () => {
  it('UDP', async (context) => {
    let received = 0;
    const server = createSocket('udp4').on('message', () => received++);
    context.after(() => server.close());
    server.bind(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address();
    const host = await docker([
      'exec',
      example.behind.names.sidecar,
      'getent',
      'ahostsv4',
      'host.docker.internal',
    ]);
    const address = host.split(' ', 1)[0];
    const send = (to: string) =>
      `python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("${to}", ${port}))'`;
    for (const to of [address ?? '', 'host.docker.internal', '8.8.8.8']) {
      const result = await refusedAtOnce(send(to));
      assert.match(result.stderr, /PermissionError: \[Errno 1\]/, told(result));
    }
    assert.equal(received, 0);
    // The same datagram from the other side of the boundary arrives.
    const arrives = once(server, 'message');
    const relay = `require('node:dgram').createSocket('udp4').send('x', ${port}, '${address}', () => process.exit())`;
    await docker(['exec', example.behind.names.sidecar, 'node', '-e', relay]);
    await arrives;
  });

  it('ICMP', async (context) => {
    await say(context, 'ping -V');
    const result = await refusedAtOnce('ping -c 1 -W 30 192.0.2.55');
    assert.doesNotMatch(result.stdout, / 0% packet loss/, told(result));
  });

  it('IPv6', async () => {
    const literal = await refusedAtOnce('curl -sS --max-time 30 http://[2606:4700::1111]/');
    assert.equal(literal.code, 7, told(literal));
    const named = await refusedAtOnce('curl -6 -sS --max-time 30 https://www.example.test/open');
    assert.ok([6, 7].includes(named.code ?? 0), told(named));
    assert.equal((await shell('dig +short AAAA www.example.test')).stdout, '');
  });
});

describe('DNS', () => {
  for (const tcp of ['', '+tcp']) {
    it(`dig ${tcp} @8.8.8.8 is answered by the boundary, from the addresses that it gives out`, async (context) => {
      await say(context, 'dig -v');
      const { stdout: known } = await shell('getent ahostsv4 www.example.test');
      const answered = () => example.behind.metric('boundary_dns_questions_total', { result: 'answered' });
      const before = await answered();
      const result = await shell(`dig ${tcp} @8.8.8.8 +short www.example.test A`);
      assert.equal(result.stdout.trim(), known.split(' ', 1)[0], told(result));
      assert.match(result.stdout, /^198\.1[89]\./);
      assert.ok((await answered()) > before);
    });
  }

  it('a question for a name that no rule could allow is on record, its labels sent to nobody', async () => {
    const name = 'c2VjcmV0.exfiltrated.test';
    const result = await judged(`dig @8.8.8.8 +short ${name}`, {
      verdict: 'deny',
      protocol: 'dns',
      host: name.toLowerCase(),
      url: `dns://${name.toLowerCase()}`,
    });
    assert.match(result.stdout, /^198\.1[89]\./, told(result));
  });
});

describe('all of it together', () => {
  it('audit log and metrics agree: each verdict that is counted has its record', async () => {
    await judged('curl -sS http://last.example.test/', {
      verdict: 'deny',
      protocol: 'http',
      host: 'last.example.test',
    });
    const counted = await example.behind.metrics();
    const records = await example.behind.audit();
    for (const verdict of ['allow', 'deny']) {
      const ids = records
        .filter((record) => record.verdict === verdict)
        .map(({ run, seq }) => `${run}-${seq}`);
      const samples = sampleSum(counted, 'boundary_verdicts_total', { verdict });
      assert.equal(samples, new Set(ids).size, verdict);
      assert.ok(samples > 10);
    }
  });

  it('nothing reached the forbidden place, which is reached once a policy allows it', async () => {
    assert.deepEqual([forbidden.connections(), forbidden.bytes()], [0, 0]);
    await example.apply('allow:\n  - { domain: forbidden.example.test, private: true }\n');
    const result = await shell('curl -sS http://forbidden.example.test/');
    assert.equal(result.stdout, 'GET / 0\n', told(result));
  });
});
