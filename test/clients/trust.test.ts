import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { createAuthority } from '../../sidecar/src/certificates/create-authority.ts';
import {
  JAVA_TRUST_STORE_PASSWORD,
  writeJavaTrustStore,
} from '../../sidecar/src/certificates/java-trust-store.ts';
import { bundlePem } from '../../sidecar/src/certificates/trust-bundle.ts';
import { clientEnvironment, wgetConfiguration } from '../../sidecar/src/cli/client-environment.ts';
import { connectTarget } from '../../sidecar/src/target/connect-target.ts';

/**
 * Every tool here gets the environment of a command behind the boundary and asks `https://TOOL.example/`, a name that
 * does not exist. It passes when its request comes out of TLS that the boundary's CA opened: then it used the proxy
 * and trusted the CA. What is answered is not its concern.
 */
interface Tool {
  readonly name: string;
  /** Tells whether it is installed. */
  readonly probe: readonly [string, ...string[]];
  readonly run: (url: string) => readonly [string, ...string[]];
}

const GO = `package main
import ("net/http"; "os")
func main() {
  answer, err := http.Get(os.Args[1])
  if err != nil { println(err.Error()); os.Exit(1) }
  answer.Body.Close()
}`;
const JAVA = `import java.net.URL;
class Ask {
  public static void main(String[] arguments) throws Exception {
    new URL(arguments[0]).openConnection().getInputStream().readAllBytes();
  }
}`;
const JAVA_CLIENT = `import java.net.URI;
import java.net.http.*;
class AskClient {
  public static void main(String[] arguments) throws Exception {
    HttpClient.newBuilder().build()
      .send(HttpRequest.newBuilder(URI.create(arguments[0])).build(), HttpResponse.BodyHandlers.ofString());
  }
}`;
const FETCH = 'await (await fetch(process.argv[1])).text()';
const HTTPS = 'require("node:https").get(process.argv[1], (answer) => answer.resume())';
const GRPC = `const grpc = require(process.argv[1]);
const host = new URL(process.argv[2]).hostname;
const client = new grpc.Client(host + ":443", grpc.credentials.createSsl());
client.makeUnaryRequest("/s/m", (x) => x, (x) => x, Buffer.alloc(0), { deadline: Date.now() + 5000 }, () => process.exit());`;

let dir: string;
const file = (name: string) => join(dir, name);

const TOOLS: readonly Tool[] = [
  { name: 'curl', probe: ['curl', '--version'], run: (url) => ['curl', '-sS', url] },
  { name: 'wget', probe: ['wget', '--version'], run: (url) => ['wget', '-q', '-t', '1', '-O', '-', url] },
  { name: 'git', probe: ['git', '--version'], run: (url) => ['git', 'ls-remote', `${url}r.git`] },
  {
    name: 'python-requests',
    probe: ['python3', '-c', 'import requests'],
    run: (url) => ['python3', '-c', 'import requests, sys; requests.get(sys.argv[1])', url],
  },
  {
    name: 'python-urllib',
    probe: ['python3', '--version'],
    run: (url) => ['python3', '-c', 'import urllib.request, sys; urllib.request.urlopen(sys.argv[1])', url],
  },
  {
    name: 'pip',
    probe: ['python3', '-m', 'pip', '--version'],
    run: (url) => [
      'python3',
      '-m',
      'pip',
      'download',
      '--retries',
      '0',
      '--no-cache-dir',
      '--index-url',
      `${url}simple`,
      'nothing',
    ],
  },
  { name: 'node-fetch', probe: [process.execPath, '-v'], run: (url) => [process.execPath, '-e', FETCH, url] },
  { name: 'node-https', probe: [process.execPath, '-v'], run: (url) => [process.execPath, '-e', HTTPS, url] },
  {
    name: 'npm',
    probe: ['npm', '--version'],
    run: (url) => ['npm', 'view', 'nothing', '--registry', url, '--fetch-retries=0', '--cache', file('npm')],
  },
  {
    name: 'grpc-node',
    probe: [process.execPath, '-e', 'require(process.argv[1])', moduleDirectory('@grpc/grpc-js')],
    run: (url) => [process.execPath, '-e', GRPC, moduleDirectory('@grpc/grpc-js'), url],
  },
  {
    name: 'cargo',
    probe: ['cargo', '--version'],
    run: (url) => [
      'cargo',
      'info',
      'nothing',
      '--registry',
      'asked',
      '--config',
      `registries.asked.index="sparse+${url}index/"`,
      '--config',
      'net.retry=0',
    ],
  },
  { name: 'go', probe: ['go', 'version'], run: (url) => ['go', 'run', file('ask.go'), url] },
  { name: 'java-url', probe: ['java', '-version'], run: (url) => ['java', file('Ask.java'), url] },
  { name: 'java-client', probe: ['java', '-version'], run: (url) => ['java', file('AskClient.java'), url] },
  {
    name: 'aws',
    probe: ['aws', '--version'],
    run: (url) => ['aws', 's3', 'ls', '--endpoint-url', url, '--region', 'us-east-1'],
  },
  {
    name: 'perl-lwp',
    probe: ['perl', '-MLWP::Protocol::https', '-MLWP::UserAgent', '-e', '1'],
    run: (url) => [
      'perl',
      '-MLWP::UserAgent',
      '-e',
      'my $a = LWP::UserAgent->new; $a->env_proxy; $a->get($ARGV[0])',
      url,
    ],
  },
  {
    name: 'ruby',
    probe: ['ruby', '-v'],
    run: (url) => ['ruby', '-ropen-uri', '-e', 'URI.open(ARGV[0]).read', url],
  },
  { name: 'php', probe: ['php', '-v'], run: (url) => ['php', '-r', 'file_get_contents($argv[1]);', url] },
  {
    name: 'deno',
    probe: ['deno', '--version'],
    run: (url) => ['deno', 'eval', 'await fetch(Deno.args[0])', url],
  },
  {
    name: 'uv',
    probe: ['uv', '--version'],
    run: (url) => [
      'uv',
      'pip',
      'install',
      '--no-cache',
      '--target',
      file('uv'),
      '--index-url',
      url,
      'nothing',
    ],
  },
];

function moduleDirectory(name: string): string {
  return join(import.meta.dirname, '../../node_modules', name);
}

const authority = createAuthority();
const asked = new Set<string>();
let proxy: Server;
let environment: Record<string, string>;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'boundary-trust-'));
  writeFileSync(file('ask.go'), GO);
  writeFileSync(file('Ask.java'), JAVA);
  writeFileSync(file('AskClient.java'), JAVA_CLIENT);
  const bundle = bundlePem(authority);
  writeFileSync(file('ca.pem'), authority.certificatePem);
  writeFileSync(file('bundle.pem'), bundle);
  writeJavaTrustStore(file('trust.jks'), bundle);
  writeFileSync(file('wgetrc'), wgetConfiguration(file('bundle.pem'), ''));
  const opened = createServer((request, response) => {
    asked.add(request.headers.host?.replace(/:443$/, '') ?? '');
    response.end('{}');
  });
  proxy = createServer().on('connect', (request, socket, head) => {
    const target = connectTarget(request.url ?? '', request.rawHeaders);
    socket.on('error', () => {});
    if (!target.ok) return socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    // gRPC speaks HTTP/2 alone; that it came through TLS and chose a protocol is what is asked here.
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext: authority.contextFor(target.value.host),
      ALPNProtocols: target.value.host.startsWith('grpc') ? ['h2'] : ['http/1.1'],
    });
    tls.on('error', () => {});
    if (!target.value.host.startsWith('grpc')) return opened.emit('connection', tls);
    tls.once('data', () => {
      asked.add(target.value.host);
      tls.destroy();
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = proxy.address();
  assert.ok(address !== null && typeof address === 'object');
  environment = clientEnvironment({
    proxyUrl: `http://127.0.0.1:${address.port}`,
    bundlePath: file('bundle.pem'),
    caPath: file('ca.pem'),
    javaTrustStore: { path: file('trust.jks'), password: JAVA_TRUST_STORE_PASSWORD },
    wgetConfigurationPath: file('wgetrc'),
    base: {
      ...process.env,
      AWS_MAX_ATTEMPTS: '1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
      GIT_TERMINAL_PROMPT: '0',
    },
  });
});

after(() => {
  proxy.close();
  proxy.closeAllConnections();
  rmSync(dir, { recursive: true });
});

function run(
  [command, ...rest]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(command, rest, { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve(error === null ? null : `${error.message}\n${stdout}${stderr}`),
    );
  });
}

// docs/clients.md says which of them have been run, and where.
const failures = await Promise.all(TOOLS.map((tool) => run(tool.probe, process.env)));
for (const tool of TOOLS.filter((_, index) => failures[index] === null)) {
  test(`${tool.name} uses the proxy and trusts its CA`, async () => {
    const host = `${tool.name}.example`;
    const failure = await run(tool.run(`https://${host}/`), environment);
    assert.ok(asked.has(host), failure ?? 'it ended well without asking');
  });
}
