/** examples/compose: the same parts as everywhere else, and they work. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { ContainerCreateOptions } from 'dockerode';
import { load } from 'js-yaml';
import { trustVariables } from '../../sidecar/src/cli/client-environment.ts';
import { clientTrustIn } from '../../sidecar/src/cli/client-trust.ts';
import { thisOwner } from '../../sidecar/src/isolation/container/owner.ts';
import {
  gatePart,
  netnsPart,
  PATHS,
  policyPart,
  sidecarPart,
} from '../../sidecar/src/isolation/container/parts.ts';
import { runNames, STORES } from '../../sidecar/src/isolation/container/run-names.ts';
import { cleanEnvironment, runBoundary } from '../harness/boundary.ts';
import { docker, prepareContainers } from '../harness/contained.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { BOUNDARY_IMAGE } from '../setup/boundary-image.ts';
import { WORKSPACE_IMAGE } from '../setup/workspace-image.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/compose');

/** A service as `docker-compose config` prints it. */
interface Service {
  readonly [option: string]: unknown;
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly [option: string]: unknown };
}

const env = { ...cleanEnvironment(), BOUNDARY_IMAGE, WORKSPACE_IMAGE };

/** What Compose makes of the example: a YAML document. */
function configuration(): { services: Record<string, Service>; [key: string]: unknown } {
  const text = execFileSync('docker-compose', ['config'], { cwd: EXAMPLE, env, encoding: 'utf8' });
  return load(text) as { services: Record<string, Service> };
}

/** A part of `boundary run --isolation container` in the words of Compose, but for names, labels and what is by run. */
function asService(options: ContainerCreateOptions): Service {
  const { HostConfig: host = {}, Healthcheck: health } = options;
  const seconds = (nanoseconds: number | undefined) => `${(nanoseconds ?? 0) / 1e9}s`;
  const modes: Readonly<Record<string, string | undefined>> = {
    none: 'none',
    'container:N': 'service:netns',
  };
  const service: Record<string, unknown> = {
    image: options.Image,
    user: options.User,
    entrypoint: options.Entrypoint,
    command: options.Cmd,
    stop_signal: options.StopSignal,
    stop_grace_period: options.StopTimeout === undefined ? undefined : `${options.StopTimeout}s`,
    cap_drop: host.CapDrop,
    cap_add: host.CapAdd,
    security_opt: host.SecurityOpt,
    read_only: host.ReadonlyRootfs,
    network_mode: modes[host.NetworkMode ?? ''],
    dns: host.Dns,
    dns_search: host.DnsSearch,
    dns_opt: host.DnsOptions,
    tmpfs: host.Tmpfs && Object.keys(host.Tmpfs),
    restart: host.RestartPolicy?.Name,
    logging: host.LogConfig && { driver: host.LogConfig.Type, options: host.LogConfig.Config },
    volumes: host.Mounts?.map(
      ({ Source, Target, ReadOnly }) => `${Source.replace(/^.*-/, '')}:${Target}:${ReadOnly ? 'ro' : 'rw'}`,
    ),
    healthcheck:
      health?.Interval === undefined
        ? { test: health?.Test }
        : {
            test: health.Test,
            interval: seconds(health.Interval),
            timeout: seconds(health.Timeout),
            start_period: seconds(health.StartPeriod),
            retries: health.Retries,
          },
  };
  return Object.fromEntries(Object.entries(service).filter(([, value]) => value !== undefined));
}

describe('the example for Compose', () => {
  const { services, networks, volumes } = configuration();
  const names = runNames('x', thisOwner(), false);
  const request = {
    names,
    image: BOUNDARY_IMAGE,
    policyName: 'policy.yaml',
    sidecarEnvironment: [],
    submitArguments: [],
  };
  const parts = {
    netns: netnsPart(request),
    gate: gatePart(request, 'N'),
    sidecar: sidecarPart(request),
    policy: policyPart(request),
  };
  /** What depends on the run, or on how the policy gets there. */
  const elsewhere = ['depends_on', 'environment', 'networks', 'hostname', 'extra_hosts'];

  for (const [part, options] of Object.entries(parts)) {
    test(`${part} is what \`boundary run\` makes`, () => {
      const service: Record<string, unknown> = { ...services[part] };
      for (const option of elsewhere) delete service[option];
      const expected: Record<string, unknown> = { ...asService(options) };
      if (part === 'policy') {
        // Mounted here, put into the root file system there.
        expected.read_only = true;
        const mounted = services.policy?.volumes?.filter((volume) => !volume.endsWith(':/policy.yaml:ro'));
        assert.equal(mounted?.length, 2);
        service.volumes = mounted;
      }
      assert.deepEqual(service, expected);
    });
  }

  test('the sidecar alone has a network, and a name for the machine; the volumes are those that are mounted', () => {
    for (const [name, service] of Object.entries(services)) {
      assert.deepEqual(service.networks, name === 'sidecar' ? { egress: null } : undefined);
    }
    assert.deepEqual(services.sidecar?.extra_hosts, ['host.docker.internal:host-gateway']);
    assert.deepEqual(Object.keys(networks as object), ['egress']);
    assert.deepEqual(Object.keys(volumes as object).sort(), [...STORES].sort());
  });

  test('the workspace waits for the verdict and gets nothing of ours but what it is to trust', () => {
    const { workspace } = services;
    assert.equal(workspace?.network_mode, 'service:netns');
    assert.deepEqual(workspace?.volumes, [`trust:${PATHS.trust}:ro`]);
    assert.deepEqual(workspace?.depends_on, {
      gate: { condition: 'service_healthy' },
      sidecar: { condition: 'service_healthy' },
      policy: { condition: 'service_completed_successfully' },
    });
    for (const option of ['cap_add', 'privileged', 'security_opt'])
      assert.equal(workspace?.[option], undefined);
    assert.deepEqual(workspace?.environment, trustVariables(clientTrustIn(PATHS.trust), {}));
  });

  test('its policy has no fault', async () => {
    const { code, stderr } = await runBoundary(['check', join(EXAMPLE, 'policy.yaml')]);
    assert.equal(code, 0, stderr);
  });
});

describe('the example for Compose, started', () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
  const project = `boundary-test-${process.pid}`;
  let upstream: Upstream;
  const run = promisify(execFile);
  const compose = (...args: string[]) =>
    run('docker-compose', ['--project-name', project, ...args], { cwd: directory, env });
  const curl = async (path: string) => {
    const url = `http://host.docker.internal:${upstream.port}${path}`;
    const { stdout } = await compose('exec', '-T', 'workspace', 'curl', '-sS', url);
    return stdout;
  };
  const policy = (path: string) =>
    writeFileSync(
      join(directory, 'policy.yaml'),
      `allow:\n  - { domain: host.docker.internal, port: ${upstream.port}, cidr: 172.16.0.0/12, path: ${path} }\n`,
    );

  before(async () => {
    await prepareContainers();
    upstream = await startUpstream({ host: '0.0.0.0' });
    cpSync(EXAMPLE, directory, { recursive: true });
    policy('/one');
    await compose('up', '--detach');
  });
  after(async () => {
    await compose('down', '--volumes', '--timeout', '5');
    await upstream.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('the workspace gets what the policy allows, and nothing else', async () => {
    assert.equal(await curl('/one'), 'GET /one 0\n');
    assert.match(await curl('/two'), /boundary denied this request/);
    assert.deepEqual(
      upstream.requests.map(({ url }) => url),
      ['/one'],
    );
    const { stdout } = await compose('exec', '-T', 'workspace', 'sh', '-c', 'ip -o link | wc -l; sudo id -u');
    assert.equal(stdout, '1\n0\n');
  });

  test('another policy is handed over while the workspace runs, and one with faults is refused with their places', async () => {
    policy('/two');
    const { stdout } = await compose('run', '--rm', 'policy');
    assert.match(stdout, /policy in force \(1 rules?, mode enforce/);
    assert.equal(await curl('/two'), 'GET /two 0\n');
    writeFileSync(join(directory, 'policy.yaml'), 'alow: [github.com]\n');
    await assert.rejects(
      compose('run', '--rm', 'policy'),
      (fault: { code: number; stderr: string; stdout: string }) => {
        assert.equal(fault.code, 2);
        assert.match(fault.stdout + fault.stderr, /policy\.yaml:1:1: .*Did you mean "allow"\?/);
        return true;
      },
    );
    assert.equal(await curl('/two'), 'GET /two 0\n', 'the one before it stays in force');
  });

  test('a policy with faults keeps the workspace from starting', async () => {
    await compose('down', '--volumes', '--timeout', '5');
    await assert.rejects(compose('up', '--detach'));
    const states = docker(
      'ps',
      '--all',
      '--format',
      '{{.Label "com.docker.compose.service"}} {{.State}}',
      '--filter',
      `label=com.docker.compose.project=${project}`,
    );
    assert.doesNotMatch(states, /workspace running/);
    assert.match(states, /sidecar running/);
  });
});
