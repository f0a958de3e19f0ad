import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions, HostConfig } from 'dockerode';
import { putFile } from '../../sidecar/src/isolation/container/archive.ts';
import { connectEngine } from '../../sidecar/src/isolation/container/engine.ts';
import { logTail } from '../../sidecar/src/isolation/container/log-tail.ts';
import { thisOwner } from '../../sidecar/src/isolation/container/owner.ts';
import {
  gatePart,
  netnsPart,
  PATHS,
  type PartsRequest,
  policyPart,
  sidecarPart,
} from '../../sidecar/src/isolation/container/parts.ts';
import {
  newRunId,
  type RunNames,
  runNames,
  STORES,
} from '../../sidecar/src/isolation/container/run-names.ts';
import { removeRun, sweep } from '../../sidecar/src/isolation/container/sweep.ts';
import { createTestCa, type TestCa } from '../harness/test-ca.ts';
import { BOUNDARY_IMAGE, ensureBoundaryImage } from '../setup/boundary-image.ts';
import { ensureWorkspaceImage, WORKSPACE_IMAGE } from '../setup/workspace-image.ts';
import { type Arrival, Internet } from './internet.ts';
import { JsonProcess } from './json-process.ts';

/** What came of an attack. */
export interface Outcome {
  readonly said: string;
  readonly ms: number;
}

/** `root`: the workspace with Docker's default capabilities; `admin`: NET_ADMIN and SYS_ADMIN too; `ordinary`: no boundary. */
export type Place = 'root' | 'admin' | 'ordinary';

export interface ConfinedSetup {
  readonly policy: string;
  /** The attacks' file in attacks/. */
  readonly attacks: string;
  /** More of the sidecar's environment. */
  readonly environment?: readonly string[];
  /** More of the sidecar's settings in the engine. */
  readonly sidecar?: HostConfig;
  /** The workspaces to make; both unless told. */
  readonly workspaces?: readonly ('root' | 'admin')[];
  /** Called with everything made and nothing of the boundary started but the namespace, workspaces attached. */
  readonly beforeStart?: (setting: ConfinedWorkspace) => Promise<void>;
}

const ADMIN = ['NET_ADMIN', 'SYS_ADMIN'];
const source = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

/** Names for which the internet has a certificate that the sidecar trusts. */
const CERTIFIED = ['allowed.test', '*.wild.test', 'other.test', '*.other.test', 'deployment.test'];

/**
 * A workspace behind gate and sidecar, as `boundary run --isolation container` makes them; an internet behind the
 * sidecar; a neighbour on its network; and an ordinary container there, for which nothing stands in the way.
 */
export class ConfinedWorkspace implements AsyncDisposable {
  readonly docker: Docker;
  readonly names: RunNames;
  readonly ca: TestCa = createTestCa();
  readonly containers = new Map<string, Container>();
  readonly #stack = new AsyncDisposableStack();
  readonly #setup: ConfinedSetup;
  readonly #attackers = new Map<Place, JsonProcess>();
  readonly #subnet = `10.${randomInt(160, 250)}.${randomInt(256)}`;
  readonly #subnet6 = `fd00:${randomBytes(2).toString('hex')}:${randomBytes(2).toString('hex')}:`;
  readonly #ordinary = new Set<string>();
  internet!: Internet;
  neighbour!: Internet;
  /** A port of the host that leads to the neighbour's port 8080. */
  publishedPort = 0;
  /** The sidecar's address on its network. */
  sidecarAddress = '';

  private constructor(docker: Docker, setup: ConfinedSetup) {
    this.docker = docker;
    this.#setup = setup;
    this.names = runNames(newRunId(), thisOwner(), false);
    this.#stack.defer(() => removeRun(docker, this.names.id));
  }

  /** The host, on the sidecar's network. */
  get host(): string {
    return `${this.#subnet}.1`;
  }

  static async start(setup: ConfinedSetup): Promise<ConfinedWorkspace> {
    await ensureBoundaryImage();
    await ensureWorkspaceImage();
    const engine = await connectEngine(process.env);
    await sweep(engine, thisOwner());
    const setting = new ConfinedWorkspace(engine.docker, setup);
    try {
      await setting.#start();
      return setting;
    } catch (error) {
      await setting[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { docker, names } = this;
    await Promise.all([
      this.#network(),
      ...STORES.map((store) =>
        docker.createVolume({ Name: names.store(store), Labels: { ...names.labels(store) } }),
      ),
    ]);
    const netns = await this.make('netns', netnsPart(this.#request));
    const [gate, sidecar] = await Promise.all([
      this.make('gate', gatePart(this.#request, netns.id)),
      this.make('sidecar', this.#sidecar()),
      netns.start(),
    ]);
    await putFile(sidecar, PATHS.state, 'upstream-ca.pem', this.ca.caPem);
    const tls = this.ca.issue(CERTIFIED);
    const gateways = [`${this.#subnet}.2/24`, `${this.#subnet6}:2/64`];
    const open = ['NET_ADMIN'];
    const workspaces = this.#setup.workspaces ?? ['root', 'admin'];
    await Promise.all([
      this.#plays('internet', { tls, gateways, everywhere: true }),
      this.#plays('neighbour', { tls }),
      this.#ordinaryContainer(open),
      ...workspaces.map((place) => this.#workspace(place, netns.id)),
    ]);
    await this.#setup.beforeStart?.(this);
    await Promise.all([gate.start(), sidecar.start()]);
    const { code, words } = await this.submit(this.#setup.policy);
    if (code !== 0) throw new Error(`the policy is not in force: ${words}\n${await logTail(sidecar)}`);
    this.sidecarAddress = (await this.addressesOf(sidecar))[0] ?? '';
  }

  /** The host has the first address; the second is everybody's way out and taken by the internet. */
  async #network(): Promise<void> {
    const { names } = this;
    const config = (prefix: string, length: number, version: number) => ({
      Subnet: `${prefix}${version === 4 ? '.0' : ':'}/${length}`,
      Gateway: `${prefix}${version === 4 ? '.' : ':'}1`,
      AuxiliaryAddresses: { [`DefaultGatewayIPv${version}`]: `${prefix}${version === 4 ? '.' : ':'}2` },
    });
    await this.docker.createNetwork({
      Name: names.egress,
      EnableIPv6: true,
      Labels: { ...names.labels('egress') },
      IPAM: { Driver: 'default', Config: [config(this.#subnet, 24, 4), config(this.#subnet6, 64, 6)] },
    } as Parameters<Docker['createNetwork']>[0]);
  }

  get #request(): PartsRequest {
    const settings = ['BOUNDARY_AUDIT_STDOUT=1', 'BOUNDARY_LOG_LEVEL=warn', 'BOUNDARY_METRICS=0.0.0.0:9464'];
    return {
      names: this.names,
      image: BOUNDARY_IMAGE,
      sidecarEnvironment: [
        ...settings,
        `BOUNDARY_UPSTREAM_CA=${PATHS.state}/upstream-ca.pem`,
        ...(this.#setup.environment ?? []),
      ],
      policyName: 'policy.yaml',
      submitArguments: [],
    };
  }

  #sidecar(): ContainerCreateOptions {
    const part = sidecarPart(this.#request);
    return {
      ...part,
      HostConfig: { ...part.HostConfig, Dns: [`${this.#subnet}.2`], ...this.#setup.sidecar },
    };
  }

  /** Makes a container of this run. */
  async make(name: string, { name: _, ...options }: ContainerCreateOptions): Promise<Container> {
    const full = `${this.names.prefix}-${name}`;
    const container = await this.docker.createContainer({ ...options, name: full });
    this.containers.set(name, container);
    return container;
  }

  /** Starts a container of root's that does nothing by itself. */
  async sleeping(name: string, hostConfig: HostConfig): Promise<Container> {
    const container = await this.make(name, {
      Image: WORKSPACE_IMAGE,
      User: '0',
      Cmd: ['sleep', 'infinity'],
      StopSignal: 'SIGKILL',
      Labels: { ...this.names.labels('command') },
      ...(name === 'neighbour' ? { ExposedPorts: { '8080/tcp': {} } } : {}),
      HostConfig: hostConfig,
    });
    await container.start();
    return container;
  }

  async #plays(name: 'internet' | 'neighbour', settings: object): Promise<void> {
    const container = await this.sleeping(name, {
      NetworkMode: this.names.egress,
      CapAdd: ['NET_ADMIN'],
      Sysctls: { 'net.ipv4.ip_forward': '0' },
      PortBindings: name === 'neighbour' ? { '8080/tcp': [{ HostPort: '' }] } : {},
    });
    const process = this.#python(container, source('internet.py'));
    await process.call({ do: 'begin', ...settings });
    this[name] = new Internet(process, (await this.addressesOf(container))[0] ?? '', `${this.#subnet}.2`);
    if (name === 'internet') return;
    const { NetworkSettings } = await container.inspect();
    this.publishedPort = Number(NetworkSettings.Ports['8080/tcp']?.[0]?.HostPort);
  }

  async #ordinaryContainer(capabilities: readonly string[]): Promise<void> {
    const container = await this.sleeping('ordinary', {
      NetworkMode: this.names.egress,
      CapAdd: [...capabilities],
      Dns: [`${this.#subnet}.2`],
      ExtraHosts: ['host.docker.internal:host-gateway'],
    });
    for (const address of await this.addressesOf(container)) this.#ordinary.add(address);
    await this.#attacker('ordinary', container);
  }

  async #workspace(place: 'root' | 'admin', netnsId: string): Promise<void> {
    const container = await this.sleeping(place, {
      NetworkMode: `container:${netnsId}`,
      ...(place === 'admin' ? { CapAdd: ADMIN } : {}),
      Mounts: [{ Type: 'volume', Source: this.names.store('trust'), Target: PATHS.trust, ReadOnly: true }],
    });
    await this.#attacker(place, container);
  }

  async #attacker(place: Place, container: Container): Promise<void> {
    const attacks = `${source('attacks/attacker.py')}\n${source(`attacks/${this.#setup.attacks}`)}`;
    const process = this.#python(container, `${attacks}\nattend(dict(globals()))\n`);
    await process.next();
    this.#attackers.set(place, process);
  }

  #python(container: Container, program: string): JsonProcess {
    const args = ['exec', '-i', '-u', '0', container.id, 'python3', '-uc', program];
    return this.#stack.use(new JsonProcess('docker', args));
  }

  async addressesOf(container: Container): Promise<readonly string[]> {
    const { NetworkSettings } = await container.inspect();
    const endpoint = NetworkSettings.Networks[this.names.egress];
    return [endpoint?.IPAddress ?? '', endpoint?.GlobalIPv6Address ?? ''].filter((one) => one !== '');
  }

  /** Whether something arrived from the ordinary container, as far as its source address can be believed. */
  isOrdinary({ from, marks }: Arrival): boolean {
    return this.#ordinary.has(from) || marks.some((mark) => mark.endsWith('-ordinary'));
  }

  /** Starts a workspace's container again, and its attacker in it. */
  async restartWorkspace(place: 'root' | 'admin'): Promise<void> {
    const container = this.container(place);
    await this.#attackers.get(place)?.[Symbol.asyncDispose]();
    await container.restart({ t: 0 });
    await this.#attacker(place, container);
  }

  attack(place: Place, call: object): Promise<Outcome> {
    const attacker = this.#attackers.get(place);
    if (attacker === undefined) throw new Error(`there is no attacker ${place}`);
    return attacker.call(call);
  }

  /** Hands a policy in. Resolves to what the one-shot said. */
  async submit(policy: string): Promise<{ readonly code: number; readonly words: string }> {
    const container = await this.make(`policy-${randomBytes(3).toString('hex')}`, policyPart(this.#request));
    await putFile(container, '/', 'policy.yaml', policy);
    const ended = container.wait({ condition: 'next-exit' });
    await container.start();
    const { StatusCode } = (await ended) as { StatusCode: number };
    return { code: StatusCode, words: await logTail(container) };
  }

  container(name: string): Container {
    const found = this.containers.get(name);
    if (found === undefined) throw new Error(`there is no container ${name}`);
    return found;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
