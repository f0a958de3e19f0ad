import assert from 'node:assert/strict';
import { test } from 'node:test';
import { thisOwner } from './owner.ts';
import {
  commandContainer,
  gatePart,
  netnsPart,
  PATHS,
  type PartsRequest,
  policyPart,
  sidecarPart,
} from './parts.ts';
import { runNames } from './run-names.ts';

const names = runNames('0a1b2c3d', thisOwner(), false);
const request: PartsRequest = {
  names,
  image: 'boundary:dev',
  policyName: 'policy.yaml',
  sidecarEnvironment: ['BOUNDARY_LOG_LEVEL=warn'],
  submitArguments: ['--allow', 'github.com'],
};
const parts = {
  netns: netnsPart(request),
  gate: gatePart(request, 'N'),
  sidecar: sidecarPart(request),
  policy: policyPart(request),
};
const command = commandContainer(
  { names, image: 'debian', command: ['make', 'all'], environment: ['A=1'], volumes: [], terminal: null },
  'N',
);

test('every container carries its run, its part and its owner', () => {
  for (const [part, options] of [...Object.entries(parts), ['command', command] as const]) {
    assert.equal(options.name, `boundary-0a1b2c3d-${part}`);
    assert.equal(options.Labels?.['boundary.run'], '0a1b2c3d');
    assert.equal(options.Labels?.['boundary.part'], part);
    assert.equal(options.Labels?.['boundary.pid'], String(process.pid));
    for (const label of ['boundary.started', 'boundary.boot', 'boundary.pid_namespace']) {
      assert.ok(options.Labels?.[label], label);
    }
  }
});

test('every part is without capabilities but the gate, which has one', () => {
  for (const [part, { HostConfig }] of Object.entries(parts)) {
    assert.deepEqual(HostConfig?.CapDrop, ['ALL'], part);
    assert.deepEqual(HostConfig?.CapAdd, part === 'gate' ? ['CAP_NET_ADMIN'] : undefined, part);
    assert.deepEqual(HostConfig?.SecurityOpt, ['no-new-privileges'], part);
    assert.equal(HostConfig?.ReadonlyRootfs, part !== 'policy', part);
    assert.equal(HostConfig?.Privileged, undefined, part);
  }
  assert.equal(parts.gate.User, '0:0');
  for (const part of ['netns', 'sidecar', 'policy'] as const) assert.equal(parts[part].User, '65532:65532');
});

test('only the sidecar has a network; gate and command are in the namespace that netns owns', () => {
  assert.equal(parts.netns.HostConfig?.NetworkMode, 'none');
  assert.equal(parts.policy.HostConfig?.NetworkMode, 'none');
  assert.equal(parts.gate.HostConfig?.NetworkMode, 'container:N');
  assert.equal(command.HostConfig?.NetworkMode, 'container:N');
  assert.equal(parts.sidecar.HostConfig?.NetworkMode, 'boundary-0a1b2c3d-egress');
});

test('each part mounts what it needs of the others, and the command nothing but what it is to trust', () => {
  const mounts = (options: typeof command) =>
    options.HostConfig?.Mounts?.map(
      ({ Source, Target, ReadOnly }) => `${Source}:${Target}:${ReadOnly ? 'ro' : 'rw'}`,
    );
  const id = 'boundary-0a1b2c3d';
  assert.equal(mounts(parts.netns), undefined);
  assert.deepEqual(mounts(parts.gate), [`${id}-gate:${PATHS.gate}:rw`]);
  assert.deepEqual(mounts(parts.sidecar), [
    `${id}-gate:${PATHS.gate}:ro`,
    `${id}-control:${PATHS.control}:rw`,
    `${id}-trust:${PATHS.trust}:rw`,
    `${id}-state:${PATHS.state}:rw`,
  ]);
  assert.deepEqual(mounts(parts.policy), [
    `${id}-gate:${PATHS.gate}:ro`,
    `${id}-control:${PATHS.control}:ro`,
  ]);
  assert.deepEqual(mounts(command), [`${id}-trust:${PATHS.trust}:ro`]);
});

test('the policy travels with its rules and its mode', () => {
  assert.deepEqual(parts.policy.Cmd, ['submit', '/policy.yaml', '--allow', 'github.com']);
});

test('the command is the process that was asked for, whatever its image would start', () => {
  assert.deepEqual([command.Entrypoint, command.Cmd], [['make'], ['all']]);
  assert.equal(command.HostConfig?.CapAdd, undefined);
  assert.equal(command.Tty, false);
  const onTerminal = commandContainer(
    {
      names,
      image: 'x',
      command: ['sh'],
      environment: [],
      volumes: [],
      terminal: { rows: 5, columns: 7 },
      user: '1',
      workdir: '/w',
    },
    'N',
  );
  assert.equal(onTerminal.Tty, true);
  assert.deepEqual(onTerminal.HostConfig?.ConsoleSize, [5, 7]);
  assert.deepEqual([onTerminal.User, onTerminal.WorkingDir], ['1', '/w']);
});

test('what is to be kept says so on every object', () => {
  const kept = runNames('x', thisOwner(), true);
  assert.equal(kept.labels('gate')['boundary.keep'], 'true');
  assert.equal(names.labels('gate')['boundary.keep'], undefined);
});
