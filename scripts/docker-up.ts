/**
 * Applies examples/docker on the local Docker engine, without a Coder server, and waits until it is healthy. Standard
 * output gets one line of JSON with the containers' names; all else goes to standard error.
 *
 *   EXTRA_ALLOW='domain=example.com' node scripts/docker-up.ts
 *
 * EXTRA_ALLOW adds rules to the policy (examples/docker/boundary.yaml), one per line. Run again, it changes what is
 * there; `node scripts/docker-down.ts` removes it.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Resource } from '../test/harness/template.ts';
import { ensureBoundaryImage } from '../test/setup/boundary-image.ts';
import { ensureWorkspaceImage } from '../test/setup/workspace-image.ts';
import { extraRules, names, openLocalWorkspace } from './local-workspace.ts';

const HEALTHY_MS = 60_000;
const POLL_MS = 250;
const say = (line: string): void => void process.stderr.write(`docker-up: ${line}\n`);

/** Whether both parts that serve say that they are healthy. */
function health(): string[] {
  const format = '{{.Name}} {{.State.Health.Status}}';
  const args = ['inspect', '--format', format, names.gate, names.sidecar];
  const { stdout } = spawnSync('docker', args, { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

async function untilHealthy(): Promise<void> {
  const deadline = Date.now() + HEALTHY_MS;
  for (;;) {
    const found = health();
    if (found.length === 2 && found.every((line) => line.endsWith(' healthy'))) return;
    if (Date.now() > deadline) {
      throw new Error(
        `not healthy after ${HEALTHY_MS / 1000} s: ${found.join(', ')}; see docker logs ${names.sidecar}`,
      );
    }
    await delay(POLL_MS);
  }
}

/** Runs the module's startup script in the workspace as the agent does, with the variables that the agent gives it. */
function runStartupScript(resources: readonly Resource[]): void {
  const script = resources.find(({ address }) => address === 'module.boundary.coder_script.startup[0]');
  const variables = resources.filter(({ address }) => address.startsWith('module.boundary.coder_env.trust'));
  const environment = variables.flatMap(({ values }) => ['--env', `${values.name}=${values.value}`]);
  const args = ['exec', ...environment, names.workspace, '/bin/sh', '-c', String(script?.values.script)];
  const { status } = spawnSync('docker', args, { stdio: ['ignore', process.stderr.fd, process.stderr.fd] });
  if (status !== 0) throw new Error(`the startup script ended with ${status} (above)`);
}

try {
  await ensureBoundaryImage();
  await ensureWorkspaceImage();
  const template = await openLocalWorkspace(extraRules(process.env.EXTRA_ALLOW ?? ''));
  say(`terraform apply in ${template.directory}`);
  await template.apply();
  await untilHealthy();
  say(
    'the workspace runs a stand-in for the Coder agent, since there is no deployment: its container holds the',
  );
  say('variables that the agent would hand to what it starts, and the startup script runs now, as it would:');
  runStartupScript(await template.resources());
  say(`try: docker exec -it ${names.workspace} bash; docker logs -f ${names.sidecar}`);
  process.stdout.write(`${JSON.stringify(names)}\n`);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
