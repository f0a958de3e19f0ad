import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { docker, inspected, removeFromEngine, runDocker, startDocker } from '../harness/docker-cli.ts';
import { ownTag } from '../harness/own-tag.ts';
import { localModule, openTemplate, type Template } from '../harness/template.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { ensureWorkspaceImage, WORKSPACE_IMAGE } from '../setup/workspace-image.ts';

const ROOT = join(import.meta.dirname, '../..');

/** With everything that examples/docker leaves at its default: strict, secrets, certificates, networks, limits. */
describe('examples/claude-code on an engine', () => {
  const workspaceId = randomUUID();
  const owner = `o${workspaceId.slice(0, 8)}`;
  const workspace = `coder-${owner}-dev`;
  const sidecar = `boundary-${workspaceId}-sidecar`;
  const network = `boundary-test-${workspaceId.slice(0, 8)}`;
  const key = `key-${randomUUID()}`;
  let template: Template;
  let image: Awaited<ReturnType<typeof ownTag>>;

  before(async () => {
    image = await ownTag();
    await ensureWorkspaceImage();
    await docker(['network', 'create', network]);
    template = await openTemplate({
      source: join(ROOT, 'examples/claude-code'),
      override: [
        localModule([
          `image = "${image.name}"`,
          'image_pull = "never"',
          `metrics = { expose = "network", network = "${network}" }`,
          `upstream_ca = ${JSON.stringify(createTestCa().caPem)}`,
          'resources = { netns = { memory = 16 }, gate = { memory = 128 }, sidecar = { memory = 512, cpus = 1.5 } }',
          'audit = { keep = true, stdout = true }',
          'extra_deny = ["domain=gist.github.com"]',
          'hosts = { "db.corp.example" = "192.0.2.20" }',
        ]),
        `resource "docker_container" "workspace" {\n  image = "${WORKSPACE_IMAGE}"\n}\n`,
      ].join(''),
      environment: {
        ...coderEnvironment({ workspaceId, owner }),
        TF_VAR_anthropic_api_key: key,
      },
    });
  });
  after(async () => {
    if (template !== undefined) await template.run('destroy', '-auto-approve', '-input=false', '-no-color');
    template?.close();
    await image?.remove();
    await removeFromEngine({ networks: [network] });
  });

  const inWorkspace = async (...command: string[]) => runDocker(['exec', workspace, ...command]);

  it('is applied, and a second plan is empty', async () => {
    await template.apply();
    const plan = await template.plan();
    const changes = plan.resource_changes.filter(
      ({ change }) => !['no-op', 'read'].includes(change.actions.join()),
    );
    assert.deepEqual(
      changes.map(({ address, change }) => `${address} ${change.actions}`),
      [],
    );
  });

  it('the key is in the sidecar alone, and no plan shows it', async () => {
    const environment = (name: string) => inspected(name, '{{json .Config.Env}}');
    assert.ok((await environment(sidecar)).includes(key));
    for (const name of [
      workspace,
      ...['netns', 'gate', 'policy'].map((part) => sidecar.replace('sidecar', part)),
    ]) {
      assert.equal((await environment(name)).includes(key), false, name);
    }
    const { stdout } = await template.run('plan', '-no-color', '-var=boundary_enabled=false');
    assert.doesNotMatch(stdout, new RegExp(key));
  });

  it('the sidecar has the certificates, limits and networks that it was given', async () => {
    const [, file = ''] =
      /BOUNDARY_UPSTREAM_CA=([^"]+)/.exec(await inspected(sidecar, '{{json .Config.Env}}')) ?? [];
    assert.match(await docker(['exec', sidecar, 'cat', file]), /BEGIN CERTIFICATE/);
    assert.equal(
      await inspected(sidecar, '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}'),
      '536870912 1500000000',
    );
    const networks = JSON.parse(await inspected(sidecar, '{{json .NetworkSettings.Networks}}')) as object;
    assert.deepEqual(Object.keys(networks).sort(), [`boundary-${workspaceId}-egress`, network].sort());
    assert.equal(
      await docker(['exec', sidecar, 'getent', 'hosts', 'db.corp.example']).then(
        (line) => line.split(/\s+/)[0],
      ),
      '192.0.2.20',
    );
  });

  it('containers of the named network can scrape the metrics', async () => {
    const url = `http://${sidecar}:9464/metrics`;
    const metrics = await docker(['run', '--rm', '--network', network, WORKSPACE_IMAGE, 'curl', '-sS', url]);
    assert.match(metrics, /^boundary_gate_connected 1$/m);
  });

  it('the audit log goes to standard output as JSON lines as well', async () => {
    await inWorkspace('curl', '-sS', 'http://192.0.2.1/');
    const logs = startDocker(['logs', '--follow', sidecar]);
    let line = '';
    assert.ok(logs.stdout);
    for await (line of createInterface({ input: logs.stdout })) if (line.startsWith('{')) break;
    logs.kill();
    assert.equal((JSON.parse(line) as { workspace: string }).workspace, 'dev');
  });

  it('the doctor finds nothing', async () => {
    const resources = await template.resources();
    const script = resources.find(({ address }) => address === 'module.boundary.coder_script.startup[0]');
    const { code, stdout } = await inWorkspace('/bin/sh', '-c', String(script?.values.script));
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /FOUND|could not be checked/);
    assert.match(stdout, /takes root, or sudo without a password/);
  });

  it('root in the workspace makes no raw and no VSOCK socket', async () => {
    const python = 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)';
    const raw = await runDocker(['exec', '--user', '0', workspace, 'python3', '-c', python]);
    assert.match(raw.stderr, /PermissionError/);
    const vsock = await runDocker([
      ...['exec', '--user', '0', workspace, 'python3', '-c'],
      'import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)',
    ]);
    assert.match(vsock.stderr, /PermissionError/);
  });

  it('a stop keeps the volume with the audit file', async () => {
    template.environment = { ...template.environment, CODER_WORKSPACE_TRANSITION: 'stop' };
    await template.apply();
    const names = await docker([
      'volume',
      'ls',
      '--quiet',
      '--filter',
      `label=coder.workspace_id=${workspaceId}`,
    ]);
    assert.deepEqual(names.split('\n').sort(), [
      `boundary-${workspaceId}-state`,
      `coder-${workspaceId}-home`,
    ]);
  });
});
