import type { ContainerCreateOptions, HostConfig, MountSettings } from 'dockerode';
import type { Part, RunNames, Store } from './run-names.ts';

/** Where the parts, and the command, find what they share. The image makes these directories, with owner and mode. */
export const PATHS: Readonly<Record<Store, string>> = {
  gate: '/run/boundary/gate',
  control: '/run/boundary/control',
  trust: '/run/boundary/trust',
  state: '/var/lib/boundary',
};

/** The audit log of a run, in the sidecar. */
export const AUDIT_PATH = `${PATHS.state}/audit.jsonl`;

/** An address outside 127/8, so that the gate's rules redirect questions to it like everything else. */
const RESOLVER = '198.18.0.53';

const ORDINARY_USER = '65532:65532';

const PROGRAM = ['node', '/opt/boundary/src/cli/main.js'];

/** How long the sidecar may take to let open requests end and to write the audit log, in seconds. */
export const SIDECAR_GRACE_S = 15;

export interface PartsRequest {
  readonly names: RunNames;
  /** The boundary's image. */
  readonly image: string;
  /** `NAME=VALUE`, for the sidecar. */
  readonly sidecarEnvironment: readonly string[];
  /** The name of the policy's file, which faults and the audit log show. */
  readonly policyName: string;
  /** What follows the file on the command line of `submit`. */
  readonly submitArguments: readonly string[];
}

/** Owns the network namespace, which has no interface, and does nothing: it outlives a gate that starts again. */
export function netnsPart({ names, image }: PartsRequest): ContainerCreateOptions {
  return part('netns', names, image, {
    Entrypoint: ['sleep', 'infinity'],
    User: ORDINARY_USER,
    Hostname: names.prefix,
    StopSignal: 'SIGKILL',
    Healthcheck: notWatched,
    HostConfig: held({
      NetworkMode: 'none',
      Dns: [RESOLVER],
      // None of the host's search domains: every well-formed name has an address, so the first of a list would win.
      DnsSearch: ['.'],
      DnsOptions: ['ndots:1'],
      // Without a network Docker writes no address for the host's own name, and tools look it up.
      ExtraHosts: [`${names.prefix}:127.0.1.1`],
      RestartPolicy: unlessStopped,
    }),
  });
}

/** Closes that namespace, and hands the sockets that remain to the sidecar. */
export function gatePart({ names, image }: PartsRequest, netnsId: string): ContainerCreateOptions {
  return part('gate', names, image, {
    Cmd: ['gate'],
    // A user other than 0 would have no effective capability.
    User: '0:0',
    Healthcheck: health('health', 'gate'),
    HostConfig: held({
      NetworkMode: `container:${netnsId}`,
      CapAdd: ['CAP_NET_ADMIN'],
      RestartPolicy: unlessStopped,
      LogConfig: logged,
      Mounts: [mount(names, 'gate', false)],
    }),
  });
}

/** Judges and carries everything: the only one with a network, and without any capability. */
export function sidecarPart(request: PartsRequest): ContainerCreateOptions {
  const { names, image } = request;
  return part('sidecar', names, image, {
    Cmd: ['sidecar'],
    User: ORDINARY_USER,
    Env: [...request.sidecarEnvironment],
    Healthcheck: health('health'),
    StopTimeout: SIDECAR_GRACE_S,
    HostConfig: held({
      NetworkMode: names.egress,
      ExtraHosts: ['host.docker.internal:host-gateway'],
      Tmpfs: { '/tmp': '' },
      RestartPolicy: unlessStopped,
      LogConfig: logged,
      Mounts: [
        mount(names, 'gate', true),
        mount(names, 'control', false),
        mount(names, 'trust', false),
        mount(names, 'state', false),
      ],
    }),
  });
}

/** Hands the policy to the sidecar, waits for its verdict, says it, and ends. */
export function policyPart({
  names,
  image,
  policyName,
  submitArguments,
}: PartsRequest): ContainerCreateOptions {
  return part('policy', names, image, {
    Healthcheck: notWatched,
    Cmd: ['submit', `/${policyName}`, ...submitArguments],
    User: ORDINARY_USER,
    // The engine puts no file into a read-only root.
    HostConfig: {
      ...held({
        NetworkMode: 'none',
        Mounts: [mount(names, 'gate', true), mount(names, 'control', true)],
      }),
      ReadonlyRootfs: false,
    },
  });
}

export interface CommandRequest {
  readonly names: RunNames;
  readonly image: string;
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly volumes: readonly MountSettings[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  /** Rows and columns of the terminal that it is to have, or null where it gets pipes. */
  readonly terminal: { readonly rows: number; readonly columns: number } | null;
}

/**
 * The command, in that namespace: nothing else of it is ours but what it has to trust. An init of the engine's is its
 * process 1, which reaps what it leaves and gives signals their ordinary meaning.
 */
export function commandContainer(request: CommandRequest, netnsId: string): ContainerCreateOptions {
  const { names, image, command, terminal } = request;
  const [program = '', ...args] = command;
  return {
    name: names.command,
    Image: image,
    Labels: { ...names.labels('command') },
    // The image's own entry point would get the command as its arguments.
    Entrypoint: [program],
    Cmd: args,
    Env: [...request.environment],
    ...(request.workdir === undefined ? {} : { WorkingDir: request.workdir }),
    ...(request.user === undefined ? {} : { User: request.user }),
    Tty: terminal !== null,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      NetworkMode: `container:${netnsId}`,
      Init: true,
      Mounts: [mount(names, 'trust', true), ...request.volumes],
      // Engines before 23.0 give every terminal the size 0; it is set again once the command runs.
      ...(terminal === null ? {} : { ConsoleSize: [terminal.rows, terminal.columns] }),
    },
  };
}

const unlessStopped = { Name: 'unless-stopped' } as const;

/** The image's own health check is the sidecar's. */
const notWatched = { Test: ['NONE'] };

/** What gate and sidecar write for people, bounded, and with a driver that hands it out again. */
const logged = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } } as const;

function part(
  name: Part,
  names: RunNames,
  image: string,
  options: ContainerCreateOptions,
): ContainerCreateOptions {
  return { name: names.part(name), Image: image, Labels: { ...names.labels(name) }, ...options };
}

/** What every part is denied. */
function held(options: HostConfig): HostConfig {
  return {
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    ReadonlyRootfs: true,
    ...options,
  };
}

function health(...command: string[]): ContainerCreateOptions['Healthcheck'] {
  const second = 1_000_000_000;
  return {
    Test: ['CMD', ...PROGRAM, ...command],
    Interval: 5 * second,
    Timeout: 5 * second,
    StartPeriod: 30 * second,
    Retries: 3,
  };
}

function mount(names: RunNames, store: Store, readOnly: boolean): MountSettings {
  return { Type: 'volume', Source: names.store(store), Target: PATHS[store], ReadOnly: readOnly };
}
