import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { allowing, ca, type Site, startSite, told } from '../harness/behind-boundary.ts';
import type { Ended } from '../harness/boundary.ts';
import { type ConfinedNamespace, confinedNamespace } from '../harness/confined-namespace.ts';
import { localName } from '../harness/local-name.ts';

/** Connects to argv[1]:argv[2], sends argv[3] in hex, prints what comes within 5 s and how it ended, with the time. */
const RAW = `
import json, socket, sys, time
began = time.monotonic()
got, end = b"", "open"
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    s.sendall(bytes.fromhex(sys.argv[3]))
    while True:
        piece = s.recv(65536)
        if not piece:
            end = "closed"
            break
        got += piece
except ConnectionResetError:
    end = "reset"
except OSError as error:
    end = type(error).__name__
print(json.dumps({"got": got.decode("latin1"), "end": end, "seconds": time.monotonic() - began}))
`;

describe('redirected connections', () => {
  let site: Site;
  let hidden: Site;
  let database: { port: number; received: () => number; close(): void };
  let namespace: ConfinedNamespace;
  const curl = (...args: readonly string[]): Promise<Ended> =>
    namespace.run('curl', ['-sS', '-m', '15', ...args]);
  const raw = async (host: string, port: number, text = '') => {
    const hex = Buffer.from(text, 'latin1').toString('hex');
    const ended = await namespace.run('python3', ['-c', RAW, host, String(port), hex]);
    assert.equal(ended.code, 0, told(ended));
    return JSON.parse(ended.stdout) as { got: string; end: string; seconds: number };
  };

  before(async () => {
    const { name, address } = await localName();
    site = await startSite({ http2: true });
    hidden = await startSite();
    let received = 0;
    const server = createServer((socket) => {
      socket.write('220 banner\r\n');
      socket.on('data', (bytes) => {
        received += bytes.length;
        if (`${bytes}` === 'crash') socket.resetAndDestroy();
        else socket.end(`got ${bytes}`);
      });
    }).listen(0, '0.0.0.0');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    database = { port, received: () => received, close: () => server.close() };
    const tcp = `{ domain: "${name}", port: ${port}, protocol: tcp, cidr: ${address}/32 }`;
    const nobody = `{ domain: "${name}", port: 1, protocol: tcp, cidr: ${address}/32 }`;
    namespace = await confinedNamespace({
      policy: `${allowing(site.rule, tcp, nobody)}`,
      upstreamCa: ca.caPem,
      args: ['--deployment', hidden.origin],
    });
  });
  after(async () => {
    await namespace[Symbol.asyncDispose]();
    await site.close();
    await hidden.close();
    database.close();
  });

  for (const version of ['--http1.1', '--http2']) {
    it(`an allowed request with opened TLS, ${version}`, async () => {
      const ended = await curl(version, '-w', ' %{http_version}', `${site.origin}/a`);
      assert.match(
        ended.stdout,
        version === '--http2' ? /^GET \/a 0\n 2$/ : /^GET \/a 0\n 1\.1$/,
        told(ended),
      );
      const line = await namespace.recorded({ url: `${site.origin}/a`, verdict: 'allow' });
      assert.equal(line.protocol, 'https');
    });
  }

  it('a server that speaks first, over a tcp rule', async () => {
    const { got, end } = await raw(site.name, database.port, 'select 1');
    assert.deepEqual({ got, end }, { got: '220 banner\r\ngot select 1', end: 'closed' });
  });

  it('a connection that breaks, or never comes about, does not look like one that ended', async () => {
    assert.equal((await raw(site.name, database.port, 'crash')).end, 'reset');
    const { got, end } = await raw(site.name, 1, 'hello');
    assert.deepEqual({ got, end }, { got: '', end: 'reset' });
  });

  it('a denied host is told so inside its TLS', async () => {
    const ended = await curl('-w', '%{http_code}', 'https://denied.example/secret');
    assert.match(
      ended.stdout,
      /No rule allows GET https:\/\/denied\.example\/secret\.[\s\S]*403$/,
      told(ended),
    );
  });

  it('a denied host that a client says nothing to is reset soon', async () => {
    const { got, end, seconds } = await raw('silent.example', 5432);
    assert.deepEqual({ got, end }, { got: '', end: 'reset' });
    assert.ok(seconds < 4, `${seconds} s`);
    await namespace.recorded({ url: 'tcp://silent.example:5432', verdict: 'deny' });
  });

  it('a port scan of a denied host is on record', async () => {
    await namespace.run('python3', [
      '-c',
      'import socket; socket.create_connection(("scanned.example", 6379), 5).close()',
    ]);
    await namespace.recorded({ url: 'tcp://scanned.example:6379', verdict: 'deny' });
  });

  it('an address literal is judged and recorded with its port', async () => {
    const { end } = await raw('192.0.2.77', 4444, 'x');
    assert.equal(end, 'reset');
    await namespace.recorded({ url: 'tcp://192.0.2.77:4444', verdict: 'deny' });
  });

  it('an allowed name claimed at another address is refused', async () => {
    const hit = site.bytes();
    const ended = await curl('--connect-to', `${site.authority}:192.0.2.78:${site.port}`, `${site.origin}/b`);
    assert.notEqual(ended.code, 0);
    assert.equal(site.bytes(), hit);
    await namespace.recorded({ host: '192.0.2.78', verdict: 'deny' });
  });

  it('another Host behind the server name of an allowed one is 400 or 421, and goes nowhere', async () => {
    const requests = site.requests.length;
    const ended = await curl('-w', '%{http_code}', '-H', 'Host: other.example', `${site.origin}/fronted`);
    assert.match(ended.stdout, /(400|421)$/, told(ended));
    assert.equal(site.requests.length, requests);
  });

  it("boundary's own addresses lead nowhere", async () => {
    const gatePort = Number(/TCP goes to port (\d+)/.exec(namespace.gate.stderr())?.[1]);
    for (const [host, port] of [
      ['127.0.0.1', gatePort],
      ['198.18.0.53', 80],
      ['boundary.internal', 8080],
      ['198.19.255.254', 443],
    ] as const) {
      const { got, end } = await raw(host, port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.deepEqual({ got, end }, { got: '', end: 'reset' }, `${host}:${port}`);
    }
  });

  it("boundary's page is at its name and at a loopback port", async () => {
    for (const url of ['http://boundary.internal/healthz', 'http://127.0.0.1:13380/healthz']) {
      const ended = await curl('-H', 'Host: deployment.example', url);
      assert.equal(ended.stdout, '{"status":"ok"}', told(ended));
    }
  });

  it('the deployment passes unopened, whatever the policy says', async () => {
    const ended = await namespace.run('curl', [
      '-sS',
      '-m',
      '15',
      '--cacert',
      `${namespace.directory}/upstream.pem`,
      `${hidden.origin}/bin`,
    ]);
    assert.match(ended.stdout, /^GET \/bin 0\n/, told(ended));
    // Its own certificate, of a CA that the boundary's bundle does not hold.
    const line = await namespace.recorded({ url: `tcp://${hidden.authority}`, verdict: 'allow' });
    assert.match(String(line.reason), /deployment/);
  });

  it('another name at the address of the deployment does not pass with it', async () => {
    const { name, port } = hidden;
    const before = hidden.bytes();
    const there = ['--connect-to', `other.example:443:${name}:${port}`, 'https://other.example/'];
    const nameless = `
import socket, ssl
context = ssl._create_unverified_context()
try:
    context.wrap_socket(socket.create_connection((${JSON.stringify(name)}, ${port}), 5), server_hostname=None)
    print("opened")
except ssl.SSLError as error:
    print(error.reason)
`;
    const other = await curl('-k', ...there);
    assert.equal(other.code, 35, told(other)); // curl's own code: the TLS handshake failed
    const ended = await namespace.run('python3', ['-c', nameless]);
    assert.equal(ended.stdout, 'TLSV1_UNRECOGNIZED_NAME\n', told(ended));
    assert.equal(hidden.bytes(), before);
    await namespace.recorded({ url: `tls://${hidden.authority}`, verdict: 'deny' });
  });

  it('loopback is the workspace’s own', async () => {
    const script = `
import http.server, threading, urllib.request
s = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://localhost:%d/" % s.server_port, timeout=5).status)
s2 = http.server.HTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s2.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://198.18.0.2:%d/" % s2.server_port, timeout=5).status)
`;
    const ended = await namespace.run('python3', ['-c', script]);
    assert.equal(ended.stdout, '200\n200\n', told(ended));
  });

  it('names are found by clients that ask only where IPv4 is configured', async () => {
    const script =
      'import socket; print(socket.getaddrinfo("a.example", 80, socket.AF_INET, 0, 0, socket.AI_ADDRCONFIG)[0][4][0])';
    const ended = await namespace.run('python3', ['-c', script]);
    assert.match(ended.stdout, /^198\.1[89]\./, told(ended));
  });

  it('what the policy does not open is cut off by a new policy, and a refused one changes nothing', async () => {
    const refused = await namespace.submit('allow:\n  - domian: x\n');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^policy\.yaml:2:5: the key "domian" is unknown/);
    assert.match((await curl(`${site.origin}/still`)).stdout, /^GET \/still/);
    const none = await namespace.submit('');
    assert.equal(none.code, 0, told(none));
    const denied = await curl(`${site.origin}/after`);
    assert.match(denied.stdout, /No rule allows/);
    const { received } = database;
    const before = received();
    assert.equal((await raw(site.name, database.port, 'x')).got, '');
    assert.equal(received(), before);
  });
});
