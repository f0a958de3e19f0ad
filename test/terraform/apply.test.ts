import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Ended } from '../harness/boundary.ts';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { docker, inspected, runDocker } from '../harness/docker-cli.ts';
import { ownTag } from '../harness/own-tag.ts';
import { localModule, openTemplate, type Template } from '../harness/template.ts';
import { ensureWorkspaceImage, WORKSPACE_IMAGE } from '../setup/workspace-image.ts';

const ROOT = join(import.meta.dirname, '../..');
const PARTS = ['netns', 'gate', 'sidecar', 'policy'] as const;

/** A server of this machine, which a workspace knows as host.docker.internal. */
async function listening(answer: string): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => response.end(answer));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe('examples/docker on an engine', () => {
  const workspaceId = randomUUID();
  const owner = `o${workspaceId.slice(0, 8)}`;
  const workspace = `coder-${owner}-dev`;
  const part = (name: string): string => `boundary-${workspaceId}-${name}`;
  let template: Template;
  let image: Awaited<ReturnType<typeof ownTag>>;
  let upstream: Awaited<ReturnType<typeof listening>>;
  let deployment: Awaited<ReturnType<typeof listening>>;

  before(async () => {
    image = await ownTag();
    await ensureWorkspaceImage();
    upstream = await listening('upstream');
    deployment = await listening('deployment');
    template = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: [
        localModule([`image = "${image.name}"`, 'image_pull = "never"', 'metrics = { expose = "host" }']),
        `resource "docker_container" "workspace" {\n  image = "${WORKSPACE_IMAGE}"\n}\n`,
      ].join(''),
      addition: 'output "metrics_url" {\n  value = module.boundary.metrics_url\n}\n',
      environment: coderEnvironment({
        workspaceId,
        owner,
        accessUrl: `http://127.0.0.1:${deployment.port}`,
      }),
    });
    writePolicy(`allow:\n  - ${rule()}\n`);
  });
  after(async () => {
    if (template !== undefined) await template.run('destroy', '-auto-approve', '-input=false', '-no-color');
    template?.close();
    await image?.remove();
    for (const { server } of [upstream, deployment]) server?.close();
  });

  const rule = (): string => `{ domain: host.docker.internal, port: ${upstream.port}, private: true }`;
  const writePolicy = (text: string): void => writeFileSync(join(template.directory, 'boundary.yaml'), text);
  const inWorkspace = (...command: string[]): Promise<Ended> => runDocker(['exec', workspace, ...command]);
  /** What the workspace gets of this machine's upstream. */
  const fetched = async (port = upstream.port): Promise<string> =>
    (await inWorkspace('curl', '-sS', '--max-time', '10', `http://host.docker.internal:${port}/`)).stdout;
  const ids = async (names: readonly string[]): Promise<string[]> =>
    Promise.all(names.map((name) => inspected(name, '{{.Id}}')));
  const changed = async (...args: string[]): Promise<string[]> => {
    const plan = await template.plan(...args);
    return plan.resource_changes
      .filter(({ change }) => !['no-op', 'read'].includes(change.actions.join()))
      .map(({ address, change }) => `${address} ${change.actions.join()}`);
  };
  const ours = async (): Promise<string[]> => {
    const filter = ['--filter', `label=coder.workspace_id=${workspaceId}`];
    const lists = await Promise.all([
      docker(['ps', '--all', '--format', '{{.Names}}', ...filter]),
      docker(['volume', 'ls', '--format', '{{.Name}}', ...filter]),
      docker(['network', 'ls', '--format', '{{.Name}}', ...filter]),
    ]);
    return lists.flatMap((list) => list.split('\n')).filter((name) => name !== '');
  };

  it('one apply starts gate, sidecar and workspace, and a second plan is empty', async () => {
    const started = performance.now();
    await template.apply();
    process.stderr.write(`apply, on: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
    for (const name of PARTS) {
      assert.equal(await inspected(part(name), '{{index .Config.Labels "boundary.part"}}'), name);
    }
    assert.deepEqual(await changed(), []);
  });

  it('the workspace reaches what the policy allows and the deployment, and nothing else', async () => {
    assert.equal(await fetched(), 'upstream');
    assert.equal(await fetched(deployment.port), 'deployment');
    assert.match(
      (await inWorkspace('curl', '-sS', 'http://192.0.2.1/')).stdout,
      /boundary denied this request/,
    );
    assert.deepEqual((await docker(['exec', workspace, 'ls', '/sys/class/net'])).split('\n'), ['lo']);
  });

  it('the workspace has its own name, and each file that its tools are told to trust', async () => {
    assert.equal((await inWorkspace('hostname')).stdout, 'dev\n');
    assert.deepEqual(await inWorkspace('sudo', '-n', 'true'), {
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    });
    const variables = (await template.resources()).filter(({ type }) => type === 'coder_env');
    const files = variables.flatMap(({ values }) => [
      ...String(values.value).matchAll(/\/run\/boundary\/trust\/[\w.-]+/g),
    ]);
    assert.ok(files.length > 20);
    for (const file of new Set(files.flat())) await docker(['exec', workspace, 'test', '-s', file]);
    assert.notEqual((await inWorkspace('sudo', 'touch', '/run/boundary/trust/x')).code, 0);
  });

  it('the startup script installs the CA, reports to the metrics and says what holds', async () => {
    const resources = await template.resources();
    const script = resources.find(({ address }) => address === 'module.boundary.coder_script.startup[0]');
    const environment = resources
      .filter(({ type }) => type === 'coder_env')
      .flatMap(({ values }) => ['--env', `${values.name}=${values.value}`]);
    // As the agent runs it: the interpreter of its first line, with the text as an argument.
    const { code, stdout, stderr } = await runDocker([
      ...['exec', ...environment, workspace, '/bin/sh', '-c'],
      String(script?.values.script),
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /^boundary: in force/m);
    assert.match(stdout, /^boundary: the system trusts the CA of the boundary$/m);
    assert.doesNotMatch(stdout, /FOUND/);
    await docker(['exec', workspace, 'openssl', 'verify', '/run/boundary/trust/ca.pem']);

    const url = await metricsUrl();
    const metrics = await (await fetch(url)).text();
    assert.match(metrics, /^boundary_doctor_finding\{check="docker_socket"\} 0$/m);
    assert.match(metrics, /^boundary_doctor_finding\{check="capabilities"\} 1$/m);
    assert.deepEqual(await changed(), []);
  });

  async function metricsUrl(): Promise<string> {
    const { stdout } = await template.run('output', '-raw', 'metrics_url');
    return stdout;
  }

  it('another policy replaces nothing but the one-shot that submits it', async () => {
    const staying = [workspace, ...PARTS.filter((name) => name !== 'policy').map(part)];
    const before = await ids(staying);
    writePolicy(`deny:\n  - { domain: host.docker.internal, port: ${upstream.port}, reason: for a test }\n`);
    const started = performance.now();
    await template.apply();
    process.stderr.write(`apply, other policy: ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
    assert.deepEqual(await ids(staying), before);
    assert.match(await fetched(), /for a test/);
    assert.equal(await fetched(deployment.port), 'deployment');
    writePolicy(`allow:\n  - ${rule()}\n`);
    await template.apply();
    assert.deepEqual(await ids(staying), before);
    assert.equal(await fetched(), 'upstream');
    assert.deepEqual(await changed(), []);
  });

  it('a policy that the sidecar refuses ends the apply with file, line and reason; the old one stays', async () => {
    writePolicy(`allow:\n  - ${rule()}\n  - domian: github.com\n`);
    const started = performance.now();
    const { code, stderr } = await template.run('apply', '-auto-approve', '-input=false', '-no-color');
    const seconds = (performance.now() - started) / 1000;
    process.stderr.write(`apply, refused policy: ${seconds.toFixed(1)} s\n`);
    assert.equal(code, 1);
    const said = stderr.replaceAll(/\s+/g, ' ');
    assert.match(said, /The policy was refused \(exit code 2\): boundary\.yaml:3:\d+: .*domian.*domain/);
    assert.ok(seconds < 25, `${seconds} s`);
    assert.equal(await fetched(), 'upstream');
    // The build after it asks again, whatever it is that changed.
    writePolicy(`allow:\n  - ${rule()}\n`);
    await template.apply();
    assert.equal(await fetched(), 'upstream');
    assert.deepEqual(await changed(), []);
  });

  it('a refusal whose cause is gone does not stay: the next build asks the sidecar again', async () => {
    writePolicy('allow: [{ domian: x }]\n');
    const refused = () => template.run('apply', '-auto-approve', '-input=false', '-no-color');
    assert.equal((await refused()).code, 1);
    const build = template.environment;
    template.environment = { ...build, CODER_WORKSPACE_OWNER_SESSION_TOKEN: 'the next one' };
    const plan = await template.run('plan', '-input=false', '-no-color');
    assert.equal(plan.code, 0, `the old refusal fails the plan:\n${plan.stderr}`);
    writePolicy(`allow:\n  - ${rule()}\n`);
    await template.apply();
    assert.deepEqual(await changed(), []);
  });

  it('after everything was stopped by hand, one apply brings all of it back', async () => {
    const all = [workspace, ...['sidecar', 'gate', 'netns'].map(part)];
    await docker(['stop', '--time', '1', ...all]);
    await template.apply();
    for (const name of all) assert.equal(await inspected(name, '{{.State.Running}}'), 'true', name);
    assert.equal(await fetched(), 'upstream');
    assert.match(
      (await inWorkspace('curl', '-sS', 'http://192.0.2.1/')).stdout,
      /boundary denied this request/,
    );
    assert.deepEqual(await changed(), []);
  });

  it('off leaves the workspace alone on an ordinary network, and a second plan is empty', async () => {
    await template.apply('-var=boundary_enabled=false');
    assert.deepEqual((await ours()).sort(), [workspace, `coder-${workspaceId}-home`].sort());
    assert.equal(await fetched(), 'upstream');
    assert.match(await docker(['exec', workspace, 'ls', '/sys/class/net']), /eth0/);
    assert.deepEqual(await changed('-var=boundary_enabled=false'), []);
  });

  it('on again', async () => {
    await template.apply();
    assert.equal(await fetched(), 'upstream');
    assert.match(
      (await inWorkspace('curl', '-sS', 'http://192.0.2.1/')).stdout,
      /boundary denied this request/,
    );
    assert.deepEqual(await changed(), []);
  });

  it('a stop removes all but the home, and destroy that as well', async () => {
    template.environment = { ...template.environment, CODER_WORKSPACE_TRANSITION: 'stop' };
    await template.apply();
    assert.deepEqual(await ours(), [`coder-${workspaceId}-home`]);
    const { code, stderr } = await template.run('destroy', '-auto-approve', '-input=false', '-no-color');
    assert.equal(code, 0, stderr);
    assert.deepEqual(await ours(), []);
  });
});

describe('a template that had no boundary', () => {
  it('plans no change when the module comes in, switched off', async () => {
    await ensureWorkspaceImage();
    const workspaceId = randomUUID();
    const image = `resource "docker_container" "workspace" {\n  image = "${WORKSPACE_IMAGE}"\n}\n`;
    const environment = coderEnvironment({ workspaceId, owner: `o${workspaceId.slice(0, 8)}` });
    const starter = await openTemplate({
      source: join(ROOT, 'test/terraform/starter'),
      override: image,
      environment,
    });
    const example = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: localModule() + image,
      environment,
    });
    try {
      await starter.apply();
      const state = readFileSync(join(starter.directory, 'terraform.tfstate'));
      writeFileSync(join(example.directory, 'terraform.tfstate'), state);
      const off = await example.run('plan', '-no-color', '-detailed-exitcode', '-var=boundary_enabled=false');
      assert.equal(off.code, 0, off.stdout);
      const on = await example.run('plan', '-no-color', '-detailed-exitcode', '-var=boundary_enabled=true');
      assert.equal(on.code, 2, on.stderr);
    } finally {
      await starter.run('destroy', '-auto-approve', '-input=false', '-no-color');
      starter.close();
      example.close();
    }
  });
});

describe('an image that is not there', () => {
  for (const [pull, message] of [
    ['never', /did not find docker image 'boundary-missing:none'/],
    ['missing', /unable to pull image\s+boundary-missing:none/],
  ] as const) {
    it(`is named, with image_pull = "${pull}"`, async () => {
      const workspaceId = randomUUID();
      const template = await openTemplate({
        source: join(ROOT, 'examples/docker'),
        override: localModule(['image = "boundary-missing:none"', `image_pull = "${pull}"`]),
        environment: coderEnvironment({ workspaceId, owner: `o${workspaceId.slice(0, 8)}` }),
      });
      try {
        const { code, stderr } = await template.run('apply', '-auto-approve', '-input=false', '-no-color');
        assert.equal(code, 1);
        assert.match(stderr, message);
        assert.doesNotMatch(await docker(['ps', '--all', '--format', '{{.Names}}']), new RegExp(workspaceId));
      } finally {
        await template.run('destroy', '-auto-approve', '-input=false', '-no-color');
        template.close();
      }
    });
  }
});
