/**
 * Parts of a boundary that are killed, stopped and started again under load, by this machine and by Docker. What takes
 * how long is printed; what has to hold is that nothing forbidden gets out meanwhile and that service comes back by
 * itself.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { told } from '../harness/behind-boundary.ts';
import type { ContainerNames } from '../harness/behind-gate.ts';
import { HOST_NAME } from '../harness/deployment.ts';
import { docker, runDocker, startDocker } from '../harness/docker-cli.ts';
import { type FourContainers, startFourContainers } from '../harness/four-containers.ts';
import { type Handler, startUpstream, type Upstream } from '../harness/upstream.ts';

const SCRIPT = readFileSync(join(import.meta.dirname, 'connection-load.py'), 'utf8');
/** Far more than a restart takes: Docker waits up to a minute before the next one of a container that keeps dying. */
const COMES_BACK_MS = 90_000;

interface Counts {
  readonly made: number;
  readonly failed: number;
  readonly slowest_ms: number;
  readonly faults: Readonly<Record<string, number>>;
  /** When the first failed, and the last. */
  readonly failed_at: readonly string[];
  /** Connections to the forbidden place, and how many of them it answered. */
  readonly tried: number;
  readonly answered: number;
}

interface Load {
  /** Seconds until a connection that begins from now on is served. */
  back(): Promise<number>;
  stop(): Promise<Counts>;
}

let workspace: FourContainers;
let allowed: Upstream;
let forbidden: Upstream;

const saying =
  (line: string): Handler =>
  (request, response) => {
    request.on('data', () => {}).on('end', () => response.end(`${line}\n`));
  };

const rule = ({ port }: Upstream) => `  - { domain: ${HOST_NAME}, port: ${port}, private: true }\n`;

before(async () => {
  allowed = await startUpstream({ host: '0.0.0.0', handler: saying('from the allowed place') });
  forbidden = await startUpstream({ host: '0.0.0.0', handler: saying('from the forbidden place') });
  workspace = await startFourContainers({ policy: `allow:\n${rule(allowed)}` });
});

after(async () => {
  await workspace?.[Symbol.asyncDispose]();
  await allowed?.close();
  await forbidden?.close();
});

async function startLoad(): Promise<Load> {
  const places = [allowed, forbidden].map(({ port }) => `${HOST_NAME}:${port}`);
  const child = workspace.behind.start(['python3', '-c', SCRIPT, ...places, '4']);
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the load has no pipes');
  let printed = '';
  stdout.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece;
  });
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    const late = AbortSignal.timeout(COMES_BACK_MS);
    for (;;) {
      const found = pattern.exec(printed);
      if (found !== null) return found;
      await once(stdout, 'data', { signal: late });
    }
  };
  await said(/under load/);
  return {
    async back() {
      const before = printed.length;
      stdin.write('mark\n');
      const [, seconds] = await said(new RegExp(`^[^]{${before}}[^]*?back ([\\d.]+)`));
      return Number(seconds);
    },
    async stop() {
      stdin.end();
      await once(child, 'close');
      return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as Counts;
    },
  };
}

/** Does something under load and says what the load came to. */
async function underLoad(context: TestContext, act: (load: Load) => Promise<void>): Promise<Counts> {
  const load = await startLoad();
  await act(load);
  const counts = await load.stop();
  const { made, failed, failed_at, slowest_ms, tried, faults } = counts;
  const failures =
    failed === 0 ? 'none failed' : `${failed} failed ${JSON.stringify(faults)} ${failed_at.join(' to ')}`;
  context.diagnostic(
    `${made} new connections, ${failures}, slowest ${slowest_ms} ms; ${tried} to the forbidden place`,
  );
  assert.ok(tried > 0);
  assertNothingGotOut(counts);
  return counts;
}

function assertNothingGotOut({ answered }: Counts): void {
  assert.deepEqual(
    { answered, connections: forbidden.connections(), bytes: forbidden.bytes() },
    { answered: 0, connections: 0, bytes: 0 },
  );
}

/** Resolves when a docker command that follows something has printed enough. */
function follows(args: readonly string[], enough: (printed: string) => boolean): Promise<void> {
  const child = startDocker(args);
  let printed = '';
  return new Promise<void>((resolve, reject) => {
    const onPiece = (piece: string) => {
      printed += piece;
      if (enough(printed)) resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', onPiece);
    child.stderr?.setEncoding('utf8').on('data', onPiece);
    const late = setTimeout(() => child.kill(), COMES_BACK_MS);
    child.on('close', () => {
      clearTimeout(late);
      reject(new Error(`docker ${args.join(' ')} did not print what was waited for: ${printed}`));
    });
  }).finally(() => child.kill());
}

const now = () => new Date().toISOString();
const HANDED_OVER = 'the gate has handed over its sockets';

/** Resolves when Docker has started a container, from now on. */
function starts(name: string): Promise<void> {
  const filter = ['--filter', `container=${name}`, '--filter', 'event=start'];
  return follows(['events', '--since', now(), ...filter], (printed) => printed.includes('start'));
}

/** What resolves when another gate has handed its sockets to the sidecar than those until now. */
async function nextHandover(): Promise<() => Promise<void>> {
  const { sidecar } = workspace.behind.names;
  const count = (text: string) => text.split(HANDED_OVER).length - 1;
  const before = count((await runDocker(['logs', sidecar])).stderr);
  return () => follows(['logs', '--follow', sidecar], (printed) => count(printed) > before);
}

type Part = keyof ContainerNames;

/** What gate and sidecar wrote about themselves. */
async function partsSay(): Promise<string> {
  const { gate, sidecar } = workspace.behind.names;
  const logs = await Promise.all([gate, sidecar].map((name) => runDocker(['logs', '--timestamps', name])));
  const lines = logs.flatMap(({ stderr }) => stderr.split('\n'));
  return lines
    .filter((line) => /Z boundary/.test(line))
    .sort()
    .slice(-60)
    .join('\n');
}

async function pidOf(part: Part): Promise<number> {
  const pid = await workspace.behind.pid(part);
  assert.ok(pid > 1, `${part} does not run`);
  return pid;
}

/** Kills the processes of parts from this machine, as the kernel does when memory runs out, and not by `docker kill`. */
async function kill(...parts: readonly Part[]): Promise<void> {
  for (const pid of await Promise.all(parts.map(pidOf))) process.kill(pid, 'SIGKILL');
}

/** Kills parts and resolves when Docker has started them again. */
async function killAndAwait(...parts: readonly Part[]): Promise<void> {
  const started = Promise.all(parts.map((part) => starts(workspace.behind.names[part])));
  await kill(...parts);
  await started;
}

/**
 * What a request of the workspace's comes to. It tries again when it is refused: for ten seconds after gate and sidecar
 * died together, a client that takes the port of a connection that was cut then is led to the dead gate's port.
 */
const fetched = (upstream: Upstream) => {
  const patience = ['--max-time', '30', '--retry', '2', '--retry-connrefused'];
  return workspace.behind.run(['curl', '-sS', ...patience, `http://${HOST_NAME}:${upstream.port}/`]);
};

async function assertServed(): Promise<void> {
  const answer = await fetched(allowed);
  assert.equal(answer.stdout, 'from the allowed place\n', told(answer));
  assert.match((await fetched(forbidden)).stdout, /^boundary denied this request/);
  assert.equal(forbidden.bytes(), 0);
}

describe('a part is restarted by Docker under load: no new connection fails', () => {
  for (const part of ['sidecar', 'gate'] as const) {
    it(`docker restart of the ${part}`, async (context) => {
      const { failed } = await underLoad(context, async (load) => {
        for (let round = 1; round <= 3; round++) {
          const handover = await nextHandover();
          await docker(['restart', workspace.behind.names[part]]);
          const seconds = await load.back();
          await handover();
          context.diagnostic(
            `docker restart of the ${part}, time ${round}: served again after ${seconds.toFixed(2)} s`,
          );
        }
      });
      assert.equal(failed, 0, await partsSay());
      await assertServed();
    });
  }
});

describe('a part is killed under load: nothing gets out, and service returns by itself', () => {
  for (const parts of [['gate'], ['sidecar'], ['sidecar', 'gate']] as const) {
    it(`kill -9 of ${parts.join(' and ')}`, async (context) => {
      const { failed } = await underLoad(context, async (load) => {
        for (let round = 1; round <= 3; round++) {
          const started = parts.map((part) => starts(workspace.behind.names[part]));
          const handover = await nextHandover();
          await kill(...parts);
          const seconds = await load.back();
          await Promise.all([...started, handover()]);
          context.diagnostic(
            `kill -9 of ${parts.join(' and ')}, time ${round}: served again after ${seconds.toFixed(2)} s`,
          );
        }
      });
      // The sidecar holds the gate's sockets, so that without a gate nothing is missed.
      if (!parts.some((part) => part === 'sidecar')) assert.equal(failed, 0, await partsSay());
      await assertServed();
    });
  }
});

describe('parts are stopped by hand', () => {
  it('gate and sidecar: the workspace is refused at once, and served once both are started', async () => {
    const { names } = workspace.behind;
    const address = (await workspace.behind.run(['getent', 'ahostsv4', HOST_NAME])).stdout.split(' ', 1)[0];
    await docker(['stop', names.sidecar, names.gate]);
    const place = `${HOST_NAME}:${forbidden.port}`;
    const resolve = ['--resolve', `${place}:${address}`];
    const refused = await workspace.behind.run([
      'curl',
      '-sS',
      '--max-time',
      '30',
      ...resolve,
      `http://${place}/`,
    ]);
    assert.equal(refused.code, 7, told(refused));
    const unnamed = await workspace.behind.run(['curl', '-sS', '--max-time', '30', `http://${place}/`]);
    assert.equal(unnamed.code, 6, told(unnamed));
    await docker(['start', names.gate, names.sidecar]);
    await assertServed();
  });

  it('a sidecar that hangs keeps everything in; connections wait and are served when it goes on', async () => {
    const pid = await pidOf('sidecar');
    process.kill(pid, 'SIGSTOP');
    const waiting = fetched(allowed);
    const denied = fetched(forbidden);
    process.kill(pid, 'SIGCONT');
    assert.equal((await waiting).stdout, 'from the allowed place\n');
    assert.match((await denied).stdout, /^boundary denied this request/);
    assert.equal(forbidden.bytes(), 0);
  });
});

describe('the namespace of the workspace outlives its container', () => {
  it('kill -9 of netns, then of the gate: the sidecar serves on with the sockets that it holds', async () => {
    await killAndAwait('netns');
    await assertServed();
    await killAndAwait('gate');
    await assertServed();
  });

  it('kill -9 of the sidecar as well: refused for good, until the workspace is restarted', async () => {
    await killAndAwait('sidecar');
    const { names } = workspace.behind;
    const lost = await fetched(allowed);
    assert.ok([6, 7].includes(lost.code ?? 0), told(lost));
    await docker(['restart', '--time', '1', names.workspace]);
    await assertServed();
  });
});

it('the forbidden place answers and counts what it receives, once a policy allows it', async () => {
  const verdict = await workspace.submit(`allow:\n${rule(allowed)}${rule(forbidden)}`);
  assert.equal(verdict.code, 0, told(verdict));
  assert.equal((await fetched(forbidden)).stdout, 'from the forbidden place\n');
  assert.ok(forbidden.bytes() > 0);
});
