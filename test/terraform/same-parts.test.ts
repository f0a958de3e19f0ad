/** The Terraform module and `boundary run --isolation container` make the same four containers. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ContainerCreateOptions } from 'dockerode';
import { thisOwner } from '../../sidecar/src/isolation/container/owner.ts';
import { gatePart, netnsPart, policyPart, sidecarPart } from '../../sidecar/src/isolation/container/parts.ts';
import { PARTS, type Part, runNames, STORES } from '../../sidecar/src/isolation/container/run-names.ts';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, openTemplate, type Plan, type Template } from '../harness/template.ts';

const WORKSPACE = '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a01';

/** What either says of a container, in the same words. Null is the engine's default. */
type Container = Readonly<Record<string, unknown>>;

/** The attributes of a docker_container that are compared. */
interface Planned {
  readonly [attribute: string]: unknown;
  readonly capabilities: readonly { readonly add: readonly string[]; readonly drop: readonly string[] }[];
  readonly healthcheck?: readonly {
    readonly test: readonly string[];
    readonly interval: string;
    readonly timeout: string;
    readonly start_period: string;
    readonly retries: number;
  }[];
  readonly host: readonly { readonly host: string; readonly ip: string }[];
  readonly networks_advanced: readonly { readonly name: string }[];
  readonly volumes: readonly {
    readonly volume_name: string;
    readonly container_path: string;
    readonly read_only: boolean | null;
  }[];
  readonly name: string;
}

function ofPlan(plan: Plan, part: Part): Container {
  const address = `module.boundary.docker_container.${part}[0]`;
  const found = plan.resource_changes.find((resource) => resource.address === address)?.change.after;
  assert.ok(found, `${address} is not in the plan`);
  const planned = found as unknown as Planned;
  const [health] = planned.healthcheck ?? [];
  const { add = [], drop = [] } = planned.capabilities[0] ?? {};
  return {
    user: planned.user,
    entrypoint: planned.entrypoint ?? null,
    command: planned.command ?? null,
    capabilities: { add, drop },
    security: planned.security_opts,
    readOnly: planned.read_only,
    networks: planned.networks_advanced.map(({ name }) => suffix(name)),
    // Of the gate the plan does not know it: the id of netns is in it.
    withoutNetwork: planned.network_mode === 'none',
    dns: [planned.dns, planned.dns_search, planned.dns_opts],
    // Its own name is the workspace's there, and the run's here.
    hosts: planned.host.map(({ host, ip }) => (ip === '127.0.1.1' ? ip : `${host}:${ip}`)),
    tmpfs: planned.tmpfs,
    restart: planned.restart,
    stopSignal: planned.stop_signal ?? null,
    grace: planned.destroy_grace_seconds,
    health:
      health === undefined || health.test[0] === 'NONE'
        ? null
        : [health.test, health.interval, health.timeout, health.start_period, health.retries],
    logs: planned.log_driver === undefined ? null : [planned.log_driver, planned.log_opts],
    volumes: planned.volumes
      .map((volume) => `${suffix(volume.volume_name)}:${volume.container_path}:${volume.read_only ?? false}`)
      .sort(),
    privileged: planned.privileged,
  };
}

function ofRun(options: ContainerCreateOptions): Container {
  const { HostConfig: host = {}, Healthcheck: health } = options;
  const seconds = (nanoseconds = 0) => `${nanoseconds / 1e9}s`;
  const named = host.NetworkMode?.startsWith('boundary-');
  return {
    user: options.User,
    entrypoint: options.Entrypoint ?? null,
    command: options.Cmd ?? null,
    capabilities: { add: host.CapAdd ?? [], drop: host.CapDrop },
    security: host.SecurityOpt,
    readOnly: host.ReadonlyRootfs,
    networks: named ? [suffix(host.NetworkMode ?? '')] : [],
    withoutNetwork: host.NetworkMode === 'none',
    dns: [host.Dns ?? null, host.DnsSearch ?? null, host.DnsOptions ?? null],
    hosts: (host.ExtraHosts ?? []).map((entry: string) =>
      entry.endsWith(':127.0.1.1') ? '127.0.1.1' : entry,
    ),
    tmpfs: host.Tmpfs ?? null,
    restart: host.RestartPolicy?.Name ?? 'no',
    stopSignal: options.StopSignal ?? null,
    grace: options.StopTimeout ?? null,
    health:
      health?.Interval === undefined
        ? null
        : [
            health.Test,
            seconds(health.Interval),
            seconds(health.Timeout),
            seconds(health.StartPeriod),
            health.Retries,
          ],
    logs: host.LogConfig === undefined ? null : [host.LogConfig.Type, host.LogConfig.Config],
    volumes: (host.Mounts ?? [])
      .map(({ Source, Target, ReadOnly }) => `${suffix(Source)}:${Target}:${ReadOnly}`)
      .sort(),
    privileged: host.Privileged ?? null,
  };
}

/** What of a name is not the workspace's or the run's. */
function suffix(name: string): string {
  return name.replace(/^.*-/, '');
}

describe('the parts of the Terraform module', () => {
  let template: Template;
  let plan: Plan;

  before(async () => {
    template = await openTemplate({
      source: join(import.meta.dirname, '../../examples/docker'),
      override: localModule(),
      // No engine is there: a plan of what is not yet made asks none.
      environment: {
        ...coderEnvironment({ workspaceId: WORKSPACE }),
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
    });
    plan = await template.plan();
  });
  after(() => template?.close());

  const names = runNames(WORKSPACE, thisOwner(), false);
  const request = {
    names,
    image: 'boundary',
    policyName: 'boundary.yaml',
    sidecarEnvironment: [],
    submitArguments: ['--timeout', '30'],
  };
  const parts: Readonly<Record<Part, ContainerCreateOptions>> = {
    netns: netnsPart(request),
    gate: gatePart(request, 'N'),
    sidecar: sidecarPart(request),
    policy: policyPart(request),
  };

  for (const part of PARTS) {
    it(`${part} is the same as that of boundary run`, () => {
      assert.deepEqual(ofPlan(plan, part), ofRun(parts[part]));
    });
  }

  it('containers, volumes and network have the same names, but for whose they are', () => {
    const named = plan.resource_changes
      .filter(({ address, type }) => address.startsWith('module.boundary.') && type.startsWith('docker_'))
      .map(({ change }) => change.after?.name)
      .filter((name) => typeof name === 'string' && name.startsWith('boundary-'));
    assert.deepEqual(
      named.sort(),
      [...PARTS.map(names.part), ...STORES.map(names.store), names.egress]
        // A store and a part have the same name where a part owns one: they are of different kinds.
        .sort(),
    );
  });
});
