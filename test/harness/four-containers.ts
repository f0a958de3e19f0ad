import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBoundaryImage } from '../setup/boundary-image.ts';
import { ensureEngine } from '../setup/docker-engine.ts';
import { ensureWorkspaceImage } from '../setup/workspace-image.ts';
import { BehindGate } from './behind-gate.ts';
import type { Ended } from './boundary.ts';
import { docker, inspected, removeFromEngine, runDocker } from './docker-cli.ts';

export interface FourContainersSetup {
  /** The text of the first policy. Default: everything is denied. */
  readonly policy?: string;
  /** PEM of a CA that upstreams are verified against as well, and that the workspace trusts. */
  readonly upstreamCa?: string;
  /** More environment of the sidecar. */
  readonly sidecarEnv?: Readonly<Record<string, string>>;
  /** Instead of the tests' own workspace image. */
  readonly workspaceImage?: string;
  /** More arguments of `docker run` for the workspace: capabilities, say. */
  readonly workspaceArgs?: readonly string[];
}

/** A workspace behind a gate and a sidecar, made with the docker client as the module makes them. */
export interface FourContainers extends AsyncDisposable {
  readonly id: string;
  readonly behind: BehindGate;
  /** The sidecar's network. */
  readonly egress: string;
  /** Hands a policy over. Its exit code and what it printed are the verdict. */
  submit(policy: string, ...flags: readonly string[]): Promise<Ended>;
}

const TRUST = '/run/boundary/trust';
/** As the module's coder_env has them; here for `docker exec`, which no agent stands behind. */
export const TRUST_ENV: Readonly<Record<string, string>> = {
  CURL_CA_BUNDLE: `${TRUST}/bundle.pem`,
  SSL_CERT_FILE: `${TRUST}/bundle.pem`,
  NODE_EXTRA_CA_CERTS: `${TRUST}/bundle.pem`,
};

/**
 * Starts the four containers and hands the policy over.
 * @throws when a part does not start or the policy is not in force; nothing is left then
 */
export async function startFourContainers(setup: FourContainersSetup = {}): Promise<FourContainers> {
  await ensureEngine();
  const image = await ensureBoundaryImage();
  const workspaceImage = setup.workspaceImage ?? (await ensureWorkspaceImage());
  const directory = mkdtempSync(join(tmpdir(), 'boundary-four-'));
  const id = `test-${randomBytes(4).toString('hex')}`;
  const name = (part: string) => `boundary-${id}-${part}`;
  const names = {
    netns: name('netns'),
    gate: name('gate'),
    sidecar: name('sidecar'),
    workspace: name('workspace'),
  };
  const volumes = ['gate', 'control', 'trust', 'state'].map(name);
  const egress = name('egress');
  const mount = (part: string, at: string, mode = '') => ['--volume', `${name(part)}:${at}${mode}`];
  const submit = async (policy: string, ...flags: readonly string[]) => {
    const file = join(directory, 'policy.yaml');
    writeFileSync(file, policy);
    const mounts = [
      ...mount('gate', '/run/boundary/gate', ':ro'),
      ...mount('control', '/run/boundary/control', ':ro'),
    ];
    const args = ['--rm', '--network', 'none', '--cap-drop', 'ALL', '--no-healthcheck', ...mounts];
    return runDocker([
      'run',
      ...args,
      '--volume',
      `${file}:/policy.yaml:ro`,
      image,
      'submit',
      '/policy.yaml',
      ...flags,
    ]);
  };
  const made: FourContainers = {
    id,
    behind: new BehindGate(names),
    egress,
    submit,
    async [Symbol.asyncDispose]() {
      await removeFromEngine({ containers: Object.values(names).reverse(), volumes, networks: [egress] });
      rmSync(directory, { recursive: true, force: true });
    },
  };
  const start = async (
    container: string,
    args: readonly string[],
    ofImage: string,
    ...command: readonly string[]
  ) => {
    const common = ['--detach', '--name', container, '--restart', 'unless-stopped'];
    await docker(['run', ...common, ...args, ofImage, ...command]);
  };
  const bare = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  try {
    await docker(['network', 'create', egress]);
    const own = [
      '--network',
      'none',
      '--dns',
      '198.18.0.53',
      '--hostname',
      'workspace',
      '--entrypoint',
      'sleep',
    ];
    const ends = ['--stop-signal', 'SIGKILL', '--no-healthcheck'];
    await start(names.netns, [...bare, ...own, ...ends], image, 'infinity');
    const joined = ['--network', `container:${await inspected(names.netns, '{{.Id}}')}`];
    const root = ['--user', '0:0', '--cap-add', 'NET_ADMIN', ...mount('gate', '/run/boundary/gate')];
    const health = [
      '--health-interval',
      '5s',
      '--health-cmd',
      'node /opt/boundary/src/cli/main.js health gate',
    ];
    await start(names.gate, [...bare, ...joined, ...root, ...health], image, 'gate');
    const env: Record<string, string> = {
      BOUNDARY_METRICS: '0.0.0.0:9464',
      BOUNDARY_AUDIT_FILE: '/var/lib/boundary/audit.jsonl',
      ...setup.sidecarEnv,
    };
    const mounts = [
      ...mount('gate', '/run/boundary/gate', ':ro'),
      ...mount('control', '/run/boundary/control'),
      ...mount('trust', TRUST),
      ...mount('state', '/var/lib/boundary'),
    ];
    if (setup.upstreamCa !== undefined) {
      const file = join(directory, 'upstream.pem');
      writeFileSync(file, setup.upstreamCa);
      mounts.push('--volume', `${file}:/etc/boundary/upstream.pem:ro`);
      env.BOUNDARY_UPSTREAM_CA = '/etc/boundary/upstream.pem';
    }
    const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    const outside = [
      '--network',
      egress,
      '--add-host',
      'host.docker.internal:host-gateway',
      '--tmpfs',
      '/tmp',
    ];
    await start(
      names.sidecar,
      [...bare, ...outside, '--publish', '127.0.0.1::9464', ...mounts, ...variables],
      image,
      'sidecar',
    );
    const verdict = await submit(setup.policy ?? '# nothing is allowed\n');
    if (verdict.code !== 0) throw new Error(`the policy is not in force: ${verdict.stderr}${verdict.stdout}`);
    const trust = mount('trust', TRUST, ':ro');
    await start(
      names.workspace,
      [...joined, ...trust, ...(setup.workspaceArgs ?? [])],
      workspaceImage,
      'sleep',
      'infinity',
    );
    return made;
  } catch (error) {
    const said = await runDocker(['logs', names.sidecar]);
    await made[Symbol.asyncDispose]();
    throw new Error(`${error instanceof Error ? error.message : error}\n${said.stderr}`, { cause: error });
  }
}
