import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { addressed, ca, type Site, startSite } from '../harness/behind-boundary.ts';
import { type Sidecar, startSidecar } from '../harness/boundary.ts';
import { type ConfinedNamespace, confinedNamespace } from '../harness/confined-namespace.ts';
import { freePort } from '../harness/free-port.ts';
import { localName } from '../harness/local-name.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream } from '../harness/upstream.ts';
import type { Target } from './prometheus-under-test.ts';

/** Workspaces as a platform has them, each with a real boundary. */
export interface Fleet extends AsyncDisposable {
  /** Behind a gate: everything happens here. */
  readonly alice: ConfinedNamespace;
  /** Behind a proxy, enforcing. */
  readonly bob: Sidecar;
  /** Behind a proxy, in mode audit. */
  readonly carol: Sidecar;
  /** Where each is scraped. Dave's gate is gone, and of erin's there is only the address. */
  readonly targets: readonly Target[];
  readonly alicePolicy: string;
  /** Makes one request of bob that the last line of his policy denies. */
  denyBob(): Promise<void>;
  /** Requests of all of them, allowed, denied and failing, until it is disposed of. */
  traffic(): AsyncDisposable;
}

const pause = 0.2;

export async function startFleet(): Promise<Fleet> {
  await using made = new AsyncDisposableStack();
  const site = made.use(
    await startSite({
      handler: (_request, response) => {
        // A model thinks before it answers; here for a moment.
        setTimeout(() => response.end('x'.repeat(10_000)), 5);
      },
    }),
  );
  const passed = made.use(await startSite());
  const opaque = made.use(await startSite({ tls: false }));
  const untrusted = made.use(await untrustedSite());
  const { name, address } = await localName();
  const dead = addressed(name, address, await freePort(), 'http');
  const shut = addressed(name, address, await freePort(), 'http');
  const alicePolicy = `allow:
  - ${site.rule}
    methods: [GET]
  - ${passed.rule}
    inspect: never
  - ${opaque.rule}
    protocol: tcp
  - ${untrusted.rule}
  - ${dead.rule}
  - domain: nowhere.invalid
  - { domain: "${name}", port: ${new URL(shut.origin).port} }
deny:
  - { domain: "${name}", port: ${site.port}, path: /secret/* }
`;
  const metricsOfAlice = `127.0.0.1:${await freePort()}`;
  const metricsOfDave = `127.0.0.1:${await freePort()}`;
  const alice = made.use(
    await confinedNamespace({
      policy: alicePolicy,
      upstreamCa: ca.caPem,
      args: ['--metrics', metricsOfAlice],
    }),
  );
  const dave = made.use(await confinedNamespace({ args: ['--metrics', metricsOfDave] }));
  await dave.gate.stop('SIGKILL');
  const outside = `allow:
  - ${site.rule}
deny:
  - { domain: "${name}", port: ${site.port}, path: /secret/* }
`;
  const bob = made.use(await startSidecar({ policy: outside, upstreamCa: ca.caPem }));
  const carol = made.use(await startSidecar({ policy: `mode: audit\n${outside}`, upstreamCa: ca.caPem }));
  const throughProxy = ({ proxyUrl, bundlePath }: Sidecar, ...urls: readonly string[]) =>
    curl(...urls, '--proxy', proxyUrl, '--cacert', bundlePath);
  const aliceTraffic = [
    curl(`${site.origin}/a`, `${site.origin}/secret/b`, `${untrusted.origin}/`, '--data', 'x'),
    curl(`${site.origin}/a`, `${site.origin}/secret/b`, `${untrusted.origin}/`, 'http://denied.test/'),
    curl(`${passed.origin}/`, `${opaque.origin}/`, '--insecure', '--data', 'y'.repeat(1000)),
    curl(`${dead.origin}/`, `${shut.origin}/`, 'http://nowhere.invalid/'),
    // Ever new hosts, as from somebody who looks for a way out: a certificate for each.
    curl('https://host$n.denied.test/'),
  ];
  const parts = made.move();
  return {
    alice,
    bob,
    carol,
    alicePolicy,
    targets: [
      { address: metricsOfAlice, owner: 'alice', workspace: 'dev' },
      { address: new URL(bob.controlUrl).host, owner: 'bob', workspace: 'api' },
      { address: new URL(carol.controlUrl).host, owner: 'carol', workspace: 'ml.1' },
      { address: metricsOfDave, owner: 'dave', workspace: 'dev' },
      { address: `127.0.0.1:${await freePort()}`, owner: 'erin', workspace: 'off' },
    ],
    async denyBob() {
      const command = throughProxy(bob, `${site.origin}/secret/once`);
      await once(spawn('sh', ['-c', command], { stdio: 'ignore' }), 'close');
    },
    traffic: () =>
      running([
        alice.start('sh', ['-c', repeated(aliceTraffic)]),
        shell(repeated([throughProxy(bob, `${site.origin}/a`)])),
        shell(repeated([throughProxy(carol, `${site.origin}/a`, 'http://nowhere.invalid/')])),
      ]),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** An https upstream whose certificate comes from a CA that no sidecar trusts. */
async function untrustedSite(): Promise<Site> {
  const { name, address } = await localName();
  const upstream = await startUpstream({ host: '0.0.0.0', tls: { ca: createTestCa(), hosts: [name] } });
  return Object.assign(upstream, addressed(name, address, upstream.port, 'https'), {
    [Symbol.asyncDispose]: () => upstream.close(),
  });
}

function curl(...args: readonly string[]): string {
  const quoted = args.map((arg) => `"${arg}"`).join(' ');
  const discarded = args.filter((arg) => arg.startsWith('http')).map(() => '-o /dev/null');
  return `curl --silent --max-time 5 ${discarded.join(' ')} ${quoted}`;
}

/** `$n` in a command is a number of its own each time. */
function repeated(commands: readonly string[]): string {
  return `n=0; while :; do n=$((n + 1)); ${commands.join('; ')}; sleep ${pause}; done`;
}

function shell(command: string): ChildProcess {
  return spawn('sh', ['-c', command], { stdio: 'pipe' });
}

function running(children: readonly ChildProcess[]): AsyncDisposable {
  for (const { stdout, stderr } of children) {
    stdout?.resume();
    stderr?.resume();
  }
  const ends = children.map((child) => once(child, 'close'));
  return {
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill('SIGTERM');
      await Promise.all(ends);
    },
  };
}
