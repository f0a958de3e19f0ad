import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { allowing, ca, startSite } from '../harness/behind-boundary.ts';
import { boundaryPath } from '../harness/boundary.ts';
import { type ConfinedNamespace, confinedNamespace } from '../harness/confined-namespace.ts';

interface Load {
  readonly made: number;
  readonly failed: number;
  readonly slowest_ms: number;
  readonly faults: Record<string, number>;
}

/** Asks for a.example from a UDP port, 0 for any, and prints which it was and what came of it. */
const ASK_FROM_PORT = `
import socket, sys
question = bytes.fromhex("000101000001000000000000" + "0161" + "076578616d706c65" + "00" + "00010001")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", int(sys.argv[1])))
    s.settimeout(10)
    s.connect(("198.18.0.53", 53))
    try:
        s.send(question)
        what = "answered" if len(s.recv(512)) > len(question) else "empty"
    except OSError as error:
        what = repr(error)
    print(s.getsockname()[1], what)
`;

/** Does something while new connections are made without pause. */
async function underLoad(
  namespace: ConfinedNamespace,
  site: { readonly name: string; readonly port: number },
  act: () => Promise<void>,
): Promise<Load> {
  const script = join(import.meta.dirname, 'new-connections.py');
  const child = namespace.start('python3', [script, site.name, String(site.port), '4']);
  let printed = '';
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the load has no pipes');
  stdout.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece;
  });
  while (!printed.includes('under load')) await once(stdout, 'data');
  await act();
  stdin.end();
  await once(child, 'close');
  return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as Load;
}

function assertNoneFailed(context: TestContext, load: Load): void {
  context.diagnostic(`${load.made} new connections, ${load.failed} failed, slowest ${load.slowest_ms} ms`);
  assert.equal(load.failed, 0, JSON.stringify(load));
}

describe('gate and sidecar start again', () => {
  it('a sidecar that is restarted under load loses no new connection', async (context) => {
    await using site = await startSite({ tls: false });
    await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
    const load = await underLoad(namespace, site, async () => {
      for (let round = 0; round < 3; round++) {
        await namespace.sidecar.stop('SIGTERM');
        namespace.sidecar = await namespace.startSidecar();
        await namespace.sidecar.said(/handed over its sockets/);
      }
    });
    assertNoneFailed(context, load);
  });

  it('a gate that is killed and started again under load loses none', async (context) => {
    await using site = await startSite({ tls: false });
    await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
    const load = await underLoad(namespace, site, async () => {
      await namespace.gate.stop('SIGKILL');
      await namespace.sidecar.said(/the gate is gone/);
      await namespace.startGate();
      await namespace.sidecar.said(/handed over its sockets\n[\s\S]*handed over its sockets/);
    });
    assertNoneFailed(context, load);
    assert.match(await namespace.metrics(), /^boundary_gate_handovers_total 2$/m);
  });

  it('a killed sidecar: connections wait, and the policy that was accepted holds again', async () => {
    await using site = await startSite();
    await using namespace = await confinedNamespace({ policy: allowing(site.rule), upstreamCa: ca.caPem });
    await namespace.sidecar.stop('SIGKILL');
    const waiting = namespace.run('curl', ['-sS', '-m', '20', `${site.origin}/waited`]);
    namespace.sidecar = await namespace.startSidecar();
    const { code, stdout, stderr } = await waiting;
    assert.equal(code, 0, stderr + namespace.sidecar.stderr());
    assert.equal(stdout, 'GET /waited 0\n');
    const denied = await namespace.run('curl', ['-sS', '-m', '20', 'http://denied.example/']);
    assert.match(denied.stdout, /boundary denied this request/);
  });

  it('with both dead everything is refused at once, and with both back it works', async () => {
    await using site = await startSite({ tls: false });
    await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
    // The name is in the client's hands already, as a cache would have it.
    const { stdout: address } = await namespace.run('getent', ['ahostsv4', site.name]);
    const ip = address.split(/\s/)[0] ?? '';
    const before = site.bytes();
    await namespace.gate.stop('SIGKILL');
    await namespace.sidecar.stop('SIGKILL');
    const url = `http://${site.authority}/`;
    const direct = ['-sS', '-m', '20', '--resolve', `${site.authority}:${ip}`, url];
    const refused = await namespace.run('curl', direct);
    assert.equal(refused.code, 7, refused.stderr);
    assert.match(refused.stderr, /refused|Couldn't connect/);
    assert.equal(site.bytes(), before);
    await namespace.startGate();
    namespace.sidecar = await namespace.startSidecar();
    const served = await namespace.run('curl', direct);
    assert.equal(served.stdout, 'GET / 0\n', served.stderr + namespace.sidecar.stderr());
  });

  it('a UDP port that asked an earlier gate is answered by the one that came after it', async () => {
    await using namespace = await confinedNamespace({ policy: '' });
    const ask = async (port: string) => (await namespace.run('python3', ['-c', ASK_FROM_PORT, port])).stdout;
    const [port = '', first] = (await ask('0')).trim().split(' ');
    assert.equal(first, 'answered');
    await namespace.gate.stop('SIGKILL');
    await namespace.sidecar.stop('SIGKILL');
    await namespace.startGate();
    namespace.sidecar = await namespace.startSidecar();
    await namespace.sidecar.said(/handed over its sockets/);
    assert.equal(await ask(port), `${port} answered\n`);
  });

  it('a gate in another namespace takes nothing from the one before: what is still in there goes on', async () => {
    await using site = await startSite({ tls: false });
    await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
    await namespace.gate.stop('SIGKILL');
    const elsewhere = spawn(
      'unshare',
      ['-n', boundaryPath, 'gate', '--dir', join(namespace.directory, 'gate')],
      {
        stdio: 'ignore',
      },
    );
    try {
      await namespace.sidecar.said(/handed over its sockets\n[\s\S]*handed over its sockets/);
      // Those of the same namespace are given up after five seconds.
      const until = performance.now() + 6_500;
      while (performance.now() < until) {
        const served = await namespace.run('curl', ['-sS', '-m', '20', `http://${site.authority}/`]);
        assert.equal(served.stdout, 'GET / 0\n', served.stderr);
      }
    } finally {
      elsewhere.kill('SIGKILL');
    }
  });

  it('names keep their addresses over a restart', async () => {
    await using namespace = await confinedNamespace({ policy: '' });
    const ask = async (name: string) => (await namespace.run('getent', ['ahostsv4', name])).stdout;
    const before = await Promise.all(['a.example', 'b.example', 'c.example'].map(ask));
    assert.match(before[0] ?? '', /^198\.1[89]\./);
    await namespace.sidecar.stop('SIGKILL');
    namespace.sidecar = await namespace.startSidecar();
    await namespace.sidecar.said(/handed over its sockets/);
    const after = await Promise.all(['a.example', 'b.example', 'c.example'].map(ask));
    assert.deepEqual(after, before);
  });

  it('without a sidecar connections are reset when the patience ends, and served when one comes', async () => {
    await using site = await startSite({ tls: false });
    await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
    const { stdout } = await namespace.run('getent', ['ahostsv4', site.name]);
    const ip = stdout.split(/\s/)[0] ?? '';
    await namespace.sidecar.stop('SIGKILL');
    const url = `http://${site.authority}/`;
    const direct = ['-sS', '-m', '30', '--resolve', `${site.authority}:${ip}`, url];
    const [reset] = await Promise.all([
      namespace.run('curl', direct),
      namespace.gate.said(/connections are reset until one is there/),
    ]);
    assert.equal(reset.code, 56, reset.stderr);
    namespace.sidecar = await namespace.startSidecar();
    await namespace.sidecar.said(/handed over its sockets/);
    const served = await namespace.run('curl', direct);
    assert.equal(served.stdout, 'GET / 0\n', served.stderr);
  });
});
