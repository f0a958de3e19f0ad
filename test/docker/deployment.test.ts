/**
 * The deployment's address passes unopened, whatever the policy says: what a Coder agent does on the network, done in a
 * workspace behind gate and sidecar against a local https server that plays the deployment. The Coder server itself
 * cannot be had here.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex, Readable, Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { bootstrapFor } from '../harness/agent-bootstrap.ts';
import { AgentSession } from '../harness/agent-session.ts';
import { told } from '../harness/behind-boundary.ts';
import { type Deployment, HOST_NAME, startDeployment } from '../harness/deployment.ts';
import { docker, removeFromEngine } from '../harness/docker-cli.ts';
import { type FourContainers, startFourContainers, TRUST_ENV } from '../harness/four-containers.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { buildTrustingImage } from '../harness/trusting-image.ts';
import { startUpstream } from '../harness/upstream.ts';

const EVERYTHING_DENIED = 'deny:\n  - port: any\n';

let deployment: Deployment;
let workspace: FourContainers;
let image: string;

before(async () => {
  const ca = createTestCa();
  deployment = await startDeployment(ca);
  image = await buildTrustingImage(ca.caPem);
  workspace = await startFourContainers({
    workspaceImage: image,
    sidecarEnv: { BOUNDARY_DEPLOYMENT: deployment.url },
  });
});

after(async () => {
  await workspace?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
  await removeFromEngine({ images: [image] });
});

/** Resolves with what a stream brings as soon as that is so many bytes. */
async function bytesFrom(stream: Duplex | Readable, length: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let missing = length; missing > 0; ) {
    const piece = stream.read(Math.min(missing, stream.readableLength)) as Buffer | null;
    if (piece === null) {
      if (stream.readableEnded) throw new Error(`the stream ended ${missing} bytes too early`);
      await new Promise<void>((resolve) => {
        const onMore = () => {
          stream.off('readable', onMore).off('end', onMore);
          resolve();
        };
        stream.once('readable', onMore).once('end', onMore);
      });
    } else {
      pieces.push(piece);
      missing -= piece.length;
    }
  }
  return Buffer.concat(pieces);
}

interface Pipes extends Disposable {
  readonly stdin: Writable;
  readonly stdout: Readable;
}

function piped(command: readonly string[]): Pipes {
  const child = workspace.behind.start(command);
  if (child.stdin === null || child.stdout === null) throw new Error('a client needs pipes');
  child.stdin.on('error', () => {});
  return { stdin: child.stdin, stdout: child.stdout, [Symbol.dispose]: () => child.kill() };
}

/** TLS from the workspace to the deployment, verified, and used through openssl's standard streams. */
const tlsClient = () =>
  piped([
    ...[
      'openssl',
      's_client',
      '-quiet',
      '-verify_quiet',
      '-verify_return_error',
      '-verify_hostname',
      HOST_NAME,
    ],
    ...['-servername', HOST_NAME, '-connect', `${HOST_NAME}:${deployment.upstream.port}`],
  ]);

const DERP_REQUEST = `GET /derp HTTP/1.1\r\nHost: ${HOST_NAME}\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n`;

interface Derp extends Disposable {
  /** Random bytes there and others back, each seen before the next are sent. */
  exchange(times: number, size: number): Promise<void>;
}

async function openDerp(fastStart: boolean): Promise<Derp> {
  const client = tlsClient();
  const hello = randomBytes(37);
  client.stdin.write(`${DERP_REQUEST}${fastStart ? 'Derp-Fast-Start: 1\r\n' : ''}\r\n`);
  if (fastStart) client.stdin.write(hello); // It does not wait for an answer that will not come.
  const derp = await deployment.derp.next();
  assert.equal(derp.fastStart, fastStart);
  if (fastStart) {
    const rest = await bytesFrom(derp.socket, hello.length - derp.early.length);
    assert.deepEqual(Buffer.concat([derp.early, rest]), hello);
  } else {
    const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\nConnection: Upgrade\r\n\r\n';
    assert.equal((await bytesFrom(client.stdout, head.length)).toString(), head);
  }
  return {
    async exchange(times, size) {
      for (let n = 0; n < times; n++) {
        const [there, back] = [randomBytes(size), randomBytes(size)];
        client.stdin.write(there);
        assert.ok((await bytesFrom(derp.socket, size)).equals(there));
        derp.socket.write(back);
        assert.ok((await bytesFrom(client.stdout, size)).equals(back));
      }
    },
    [Symbol.dispose]: client[Symbol.dispose],
  };
}

interface Events extends Disposable {
  /** Sends events, each only when curl has printed the one before. */
  follow(...data: readonly string[]): Promise<void>;
}

async function openEvents(): Promise<Events> {
  const client = piped(['curl', '-sSN', `${deployment.url}/api/v2/workspaceagents/me/reinit?wait=true`]);
  const events = await deployment.events.next();
  return {
    async follow(...data) {
      for (const one of data) {
        events.send(one);
        assert.equal((await bytesFrom(client.stdout, one.length + 8)).toString(), `data: ${one}\n\n`);
      }
    },
    [Symbol.dispose]: client[Symbol.dispose],
  };
}

/** Boots the stand-in agent and waits for its WebSocket. */
async function bootAgent(): Promise<AgentSession & Disposable> {
  const env = { CODER_AGENT_TOKEN: 'token' };
  const boot = workspace.behind.start(['sh', '-c', bootstrapFor(deployment.url)], { env });
  const session = new AgentSession(await deployment.rpc.next());
  return Object.assign(session, {
    [Symbol.dispose]() {
      session.run(['sh', '-c', 'kill -9 $PPID']).catch(() => {}); // It goes without an answer.
      boot.kill();
    },
  });
}

/** What {@link HOST_NAME} stands for in the sidecar. */
async function hostAddress(): Promise<string> {
  const line = await docker(['exec', workspace.behind.names.sidecar, 'getent', 'ahostsv4', HOST_NAME]);
  return line.split(' ', 1)[0] ?? '';
}

/** Commands and answers over the rpc WebSocket: each is sent only when the answer to the one before was read. */
async function converse(session: AgentSession, times: number): Promise<void> {
  for (let n = 1; n <= times; n++) {
    assert.equal((await session.run(['cat'], { input: String(n) })).stdout, String(n));
  }
}

test('the agent boots: its binary comes whole, and its rpc WebSocket carries commands and answers', async (context) => {
  const versions = await workspace.behind.run([
    'sh',
    '-c',
    'curl --version | head -1 | cut -c1-20; node --version; openssl version',
  ]);
  context.diagnostic(`clients: ${versions.stdout.trim().replaceAll('\n', ', ')}`);
  using session = await bootAgent();
  session.manifest({ FROM_MANIFEST: 'yes' });
  const fetched = await session.run(['sh', '-c', 'sha256sum < "$(command -v coder)"; echo "$FROM_MANIFEST"']);
  const digest = createHash('sha256').update(deployment.binary).digest('hex');
  assert.equal(fetched.stdout, `${digest}  -\nyes\n`, told(fetched));
  assert.ok(deployment.binary.length > 4_000_000);
  await converse(session, 20);
  await workspace.behind.recorded({
    event: 'verdict',
    verdict: 'allow',
    protocol: 'tcp',
    host: HOST_NAME,
    port: deployment.upstream.port,
    rule: null,
    reason: "The deployment's own address always passes, unopened.",
  });
});

test('the workspace sees the certificate of the deployment, not one of the boundary', async () => {
  const { port } = deployment.upstream;
  const shown = await workspace.behind.run([
    'sh',
    '-c',
    `openssl s_client -connect ${HOST_NAME}:${port} -servername ${HOST_NAME} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256`,
  ]);
  assert.equal(shown.stdout.trim(), `sha256 Fingerprint=${deployment.fingerprint}`, told(shown));
  const ours = ['--cacert', '/run/boundary/trust/ca.pem', '--capath', '/nonexistent'];
  const opened = await workspace.behind.run(['curl', '-sS', ...ours, `${deployment.url}/derp/latency-check`]);
  assert.equal(opened.code, 60, told(opened)); // curl's own code: the peer's certificate cannot be verified
});

test('server-sent events of the long poll come one by one, each before the next is sent', async () => {
  using events = await openEvents();
  await events.follow('1', '2', '3', 'prebuild claimed');
});

for (const fastStart of [false, true]) {
  const how = fastStart ? 'with Derp-Fast-Start, without a response head' : 'after its 101';
  test(`Upgrade: DERP carries bytes of any kind both ways ${how}`, async () => {
    using derp = await openDerp(fastStart);
    await derp.exchange(10, 1_400);
    await derp.exchange(2, 1_000_000);
  });
}

test('a policy that denies everything cuts nothing of the deployment: WebSocket, SSE and DERP go on, new ones open', async () => {
  using session = await bootAgent();
  using events = await openEvents();
  using derp = await openDerp(false);
  const before = await workspace.behind.metric('boundary_policy_reloads_total', { result: 'ok' });
  const verdict = await workspace.submit(EVERYTHING_DENIED);
  assert.equal(verdict.code, 0, told(verdict));
  assert.equal(await workspace.behind.metric('boundary_policy_reloads_total', { result: 'ok' }), before + 1);
  await converse(session, 5);
  await events.follow('still', 'here');
  await derp.exchange(5, 10_000);
  const check = await workspace.behind.run(['curl', '-sSf', `${deployment.url}/derp/latency-check`]);
  assert.equal(check.code, 0, told(check));
  using again = await openDerp(true);
  await again.exchange(1, 1_000);
  await workspace.behind.recorded({
    event: 'request',
    verdict: 'allow',
    host: HOST_NAME,
    protocol: 'tcp',
    error: null,
  });
});

test('nothing else of that host passes: another port, its address, another name for it', async (context) => {
  const other = await startUpstream({ host: '0.0.0.0' });
  context.after(() => other.close());
  const before = deployment.upstream.connections();
  const gateway = await hostAddress();
  const denied = async (url: string, record: Record<string, unknown>) => {
    const result = await workspace.behind.run(['curl', '-sSk', '-w', '%{response_code}', url], {
      env: TRUST_ENV,
    });
    assert.match(result.stdout, /^boundary denied this request\.[\s\S]*403$/, told(result));
    await workspace.behind.recorded({ verdict: 'deny', status: 403, ...record });
  };
  const { port } = deployment.upstream;
  await denied(`http://${HOST_NAME}:${other.port}/`, { host: HOST_NAME, port: other.port });
  await denied(`http://${gateway}:${other.port}/`, { host: gateway, port: other.port });
  await denied(`https://${gateway}:${port}/derp/latency-check`, { host: gateway, port });
  await denied(`https://gateway.docker.internal:${port}/derp/latency-check`, {
    host: 'gateway.docker.internal',
    port,
  });
  assert.deepEqual([other.connections(), other.bytes(), deployment.upstream.connections()], [0, 0, before]);
});
