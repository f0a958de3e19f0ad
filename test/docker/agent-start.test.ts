/**
 * examples/docker from `terraform apply` to an agent at work. What stands in for Coder: a local https server for the
 * deployment, and for the agent a small program that it serves (test/harness/deployment.ts, standin-agent.ts). The Coder
 * server and its agent cannot be had in these tests; Terraform, the providers, Docker and the module are the real ones.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { AgentSession } from '../harness/agent-session.ts';
import { told } from '../harness/behind-boundary.ts';
import type { Ended } from '../harness/boundary.ts';
import { HOST_NAME } from '../harness/deployment.ts';
import { docker, inspected } from '../harness/docker-cli.ts';
import { type ExampleWorkspace, openExample } from '../harness/example-workspace.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';

let example: ExampleWorkspace;
let upstream: Upstream;
let agent: AgentSession;

const allowed = () => `allow:\n  - { domain: ${HOST_NAME}, port: ${upstream.port}, private: true }\n`;
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
const fetched = (): Promise<Ended> =>
  agent.run(['curl', '-sS', '--max-time', '30', `http://${HOST_NAME}:${upstream.port}/`]);

before(async () => {
  upstream = await startUpstream({ host: '0.0.0.0' });
  example = await openExample();
});

after(async () => {
  await example?.[Symbol.asyncDispose]();
  await upstream?.close();
});

it('one apply, and the agent that the container fetched from the deployment is connected to it', async (context) => {
  const began = performance.now();
  await example.apply(allowed());
  context.diagnostic(`apply: ${seconds(began)}`);
  agent = await example.nextAgent();
  context.diagnostic(`apply until the agent's WebSocket: ${seconds(began)}`);
  const self = await agent.run(['sh', '-c', 'id -un; hostname; tr "\\\\0" " " < /proc/$PPID/cmdline']);
  assert.match(self.stdout, /^coder\ndev\nnode --use-system-ca \.\/coder agent/, told(self));
});

it('the startup scripts end well, side by side; the one of the boundary says what holds', async () => {
  const ran = await example.runScripts(agent);
  // The template's own, the module's, and that of the stand-in for the registry's code-server.
  assert.deepEqual([...ran.keys()].sort(), ['Boundary', 'Startup Script', 'code-server']);
  for (const [name, end] of ran) assert.equal(end.code, 0, `${name}: ${told(end)}`);
  const said = ran.get('Boundary')?.stdout ?? '';
  assert.match(said, /^boundary: in force: /m);
  assert.match(said, /^boundary: the system trusts the CA of the boundary/m);
  assert.doesNotMatch(said, /FOUND|Warning/);
  assert.equal(await example.behind.metric('boundary_doctor_finding', { check: 'docker_socket' }), 0);
});

it('what the agent runs is judged: allowed, denied, and the deployment by its own certificate', async () => {
  const answer = await fetched();
  assert.equal(answer.stdout, 'GET / 0\n', told(answer));
  const denied = await agent.run(['curl', '-sS', 'http://denied.example/']);
  assert.match(denied.stdout, /^boundary denied this request\./, told(denied));
  // By the bundle that the agent gives to its children, with the company's own CA in it (upstream_ca).
  const deployment = await agent.run(['curl', '-sSf', `${example.deployment.url}/derp/latency-check`]);
  assert.equal(deployment.code, 0, told(deployment));
});

it('the page of the boundary answers where a coder_app and its health check look', async () => {
  const app = example
    .resources()
    .find(({ address }) => address === 'module.boundary.coder_app.view[0]')?.values;
  const [check] = (app?.healthcheck ?? []) as readonly { readonly url: string }[];
  const health = await agent.run(['curl', '-sSf', String(check?.url)]);
  assert.deepEqual(JSON.parse(health.stdout), { status: 'ok' }, told(health));
  const page = await agent.run(['curl', '-sSf', String(app?.url)]);
  assert.match(page.stdout, /<html/, told(page));
});

it('a new policy reaches the workspace under the agent, whose connection stays', async (context) => {
  const running = agent.run(['sh', '-c', 'read line; echo "$line"'], { input: 'before\n' });
  const long = agent.run(['sleep', 'infinity']);
  const began = performance.now();
  await example.apply('deny:\n  - port: any\n');
  context.diagnostic(`apply of another policy: ${seconds(began)}`);
  assert.equal((await running).stdout, 'before\n');
  assert.ok(agent.open);
  assert.match((await fetched()).stdout, /^boundary denied this request\./);
  await example.apply(allowed());
  assert.equal((await fetched()).stdout, 'GET / 0\n');
  await agent.run(['pkill', '-f', 'sleep infinity']);
  assert.equal((await long).signal, 'SIGTERM');
});

it('a sidecar that is killed costs the agent its connection, and it makes a new one by itself', async (context) => {
  const pid = await example.behind.pid('sidecar');
  const closed = agent.closed();
  const next = example.nextAgent();
  const began = performance.now();
  process.kill(pid, 'SIGKILL');
  await closed;
  agent = await next;
  context.diagnostic(`the agent is connected again after ${seconds(began)}`);
  assert.equal((await fetched()).stdout, 'GET / 0\n');
});

it('everything is stopped by hand; one apply brings back the boundary, the workspace and its agent', async (context) => {
  const { netns, gate, sidecar, workspace } = example.behind.names;
  const all = [workspace, sidecar, gate, netns];
  await docker(['stop', '--time', '2', ...all]);
  const next = example.nextAgent();
  const began = performance.now();
  await example.apply(allowed());
  agent = await next;
  context.diagnostic(`one apply until the agent is connected again: ${seconds(began)}`);
  for (const name of all) assert.equal(await inspected(name, '{{.State.Running}}'), 'true', name);
  const ran = await example.runScripts(agent);
  assert.match(ran.get('Boundary')?.stdout ?? '', /^boundary: in force: /m);
  assert.equal((await fetched()).stdout, 'GET / 0\n');
});

it('destroyed, nothing of it is left but what others made', async () => {
  await example.template.run('destroy', '-auto-approve', '-input=false', '-no-color');
  const filter = ['--filter', `name=${example.egress.replace(/-egress$/, '')}`];
  const lists = [
    await docker(['ps', '--all', '--quiet', ...filter]),
    await docker(['volume', 'ls', '--quiet', ...filter]),
    await docker(['network', 'ls', '--quiet', ...filter]),
  ];
  assert.deepEqual(lists, ['', '', '']);
});
