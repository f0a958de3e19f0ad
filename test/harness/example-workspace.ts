import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureEngine } from '../setup/docker-engine.ts';
import { AGENT_BOOTSTRAP } from './agent-bootstrap.ts';
import { AgentSession } from './agent-session.ts';
import { BehindGate } from './behind-gate.ts';
import type { Ended } from './boundary.ts';
import { coderEnvironment } from './coder-environment.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { removeFromEngine, runDocker } from './docker-cli.ts';
import { ownTag } from './own-tag.ts';
import { localModule, openTemplate, type Resource, type Template } from './template.ts';
import { createTestCa, type TestCa } from './test-ca.ts';
import { buildTrustingImage } from './trusting-image.ts';

const EXAMPLE = join(import.meta.dirname, '../../examples/docker');
/** Far more than a workspace takes to come up. */
const BOOT_MS = 120_000;

/**
 * A workspace of examples/docker: applied by Terraform on the local engine, its container running a start script in the
 * shape of Coder's, against a stand-in for the deployment. There is no Coder server here.
 */
export interface ExampleWorkspace extends AsyncDisposable {
  readonly template: Template;
  readonly deployment: Deployment;
  /** Of the deployment and of whatever upstream the test has. */
  readonly ca: TestCa;
  readonly behind: BehindGate;
  /** The sidecar's network. */
  readonly egress: string;
  /** Writes the policy beside the template and applies. */
  apply(policy: string): Promise<void>;
  /** What the last apply left in the state. */
  resources(): readonly Resource[];
  /** The agent that connects next, after its manifest was sent. Once something was applied. */
  nextAgent(): Promise<AgentSession>;
  /** Runs what the agent would run at its start, at once and side by side. By the scripts' names. */
  runScripts(agent: AgentSession): Promise<Map<string, Ended>>;
}

/** Prepares the template and what it needs. Nothing is applied yet. */
export async function openExample(): Promise<ExampleWorkspace> {
  await ensureEngine();
  const boundary = await ownTag();
  const ca = createTestCa();
  const image = await buildTrustingImage(ca.caPem);
  const deployment = await startDeployment(ca);
  const id = randomUUID();
  const owner = `o${id.slice(0, 8)}`;
  const part = (name: string) => `boundary-${id}-${name}`;
  const names = {
    netns: part('netns'),
    gate: part('gate'),
    sidecar: part('sidecar'),
    workspace: `coder-${owner}-dev`,
  };
  const module = [
    `image = "${boundary.name}"`,
    'image_pull = "never"',
    'metrics = { expose = "host" }',
    `upstream_ca = ${JSON.stringify(ca.caPem)}`,
  ];
  const template = await openTemplate({
    source: EXAMPLE,
    override: `${localModule(module)}resource "docker_container" "workspace" {\n  image = "${image}"\n}\n`,
    environment: coderEnvironment({
      workspaceId: id,
      owner,
      accessUrl: deployment.url,
      initScript: AGENT_BOOTSTRAP,
    }),
  });
  let resources: readonly Resource[] = [];
  return {
    template,
    deployment,
    ca,
    behind: new BehindGate(names),
    egress: part('egress'),
    async apply(policy) {
      writeFileSync(join(template.directory, 'boundary.yaml'), policy);
      await template.apply();
      resources = await template.resources();
    },
    resources: () => resources,
    async nextAgent() {
      const late = AbortSignal.timeout(BOOT_MS);
      const tooLate = new Promise<never>((_, reject) => {
        late.onabort = async () => {
          const { stdout, stderr } = await runDocker(['logs', names.workspace]);
          reject(new Error(`no agent after ${BOOT_MS / 1000} s; its container says: ${stdout}${stderr}`));
        };
      });
      const agent = new AgentSession(await Promise.race([deployment.rpc.next(), tooLate]));
      late.onabort = null;
      agent.manifest(agentEnvironment(resources));
      return agent;
    },
    async runScripts(agent) {
      const scripts = scriptsAtStart(resources);
      const ran = scripts.map(async ([name, text]) => [name, await agent.run(['sh', '-c', text])] as const);
      return new Map(await Promise.all(ran));
    },
    async [Symbol.asyncDispose]() {
      await template.run('destroy', '-auto-approve', '-input=false', '-no-color');
      template.close();
      await deployment[Symbol.asyncDispose]();
      await removeFromEngine({ images: [image] });
      await boundary.remove();
    },
  };
}

/** What the manifest tells an agent to give to whatever it runs: the template's coder_env and the agent's own. */
export function agentEnvironment(resources: readonly Resource[]): Record<string, string> {
  const agent = resources.find(({ type }) => type === 'coder_agent')?.values.env;
  const variables = resources
    .filter(({ type }) => type === 'coder_env')
    .map(({ values }) => [String(values.name), String(values.value)]);
  return { ...Object.fromEntries(variables), ...(agent as Record<string, string> | null) };
}

function scriptsAtStart(resources: readonly Resource[]): (readonly [string, string])[] {
  const own = resources
    .filter(({ type, values }) => type === 'coder_agent' && values.startup_script)
    .map(({ values }) => ['Startup Script', String(values.startup_script)] as const);
  const scripts = resources
    .filter(({ type, values }) => type === 'coder_script' && values.run_on_start === true)
    .map(({ values }) => [String(values.display_name), String(values.script)] as const);
  return [...own, ...scripts];
}
