/** The one workspace that `make docker-up` makes and `make docker-down` removes. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { coderEnvironment } from '../test/harness/coder-environment.ts';
import { localModule, openTemplate, type Template } from '../test/harness/template.ts';
import { BOUNDARY_IMAGE } from '../test/setup/boundary-image.ts';
import { WORKSPACE_IMAGE } from '../test/setup/workspace-image.ts';

const ROOT = join(import.meta.dirname, '..');
/** A copy of the template, with Terraform's state. */
export const DIRECTORY = join(ROOT, '.cache/docker-up');
const WORKSPACE_ID = 'd0c4e7b0-0000-4000-8000-000000000001';
const OWNER = 'local';

export const names = {
  workspace: `coder-${OWNER}-dev`,
  netns: `boundary-${WORKSPACE_ID}-netns`,
  gate: `boundary-${WORKSPACE_ID}-gate`,
  sidecar: `boundary-${WORKSPACE_ID}-sidecar`,
} as const;

/** What stands where the Coder agent's start script would: it waits to be stopped. */
const STAND_IN = `echo 'This stands in for the Coder agent: there is no deployment here.'
trap 'exit 0' TERM INT
while true; do sleep 3600 & wait $!; done
`;

/** Rules out of EXTRA_ALLOW: one per line; `;` or a `,` before the next rule's first key does as well. */
export function extraRules(text: string): readonly string[] {
  return text
    .split(/[\n;]|,(?=\s*(?:domain|method|path)=)/)
    .map((rule) => rule.trim())
    .filter((rule) => rule !== '');
}

/** examples/docker as it is shipped, with images of this machine and these rules beside its policy. */
export function openLocalWorkspace(extraAllow: readonly string[]): Promise<Template> {
  // JSON's strings are HCL's, apart from what HCL would interpolate.
  const rules = JSON.stringify(extraAllow).replaceAll(/([$%])\{/g, '$1$1{');
  return openTemplate({
    source: join(ROOT, 'examples/docker'),
    directory: DIRECTORY,
    override: [
      localModule([`image = "${BOUNDARY_IMAGE}"`, 'image_pull = "never"', `extra_allow = ${rules}`]),
      'resource "docker_container" "workspace" {',
      `image = "${WORKSPACE_IMAGE}"`,
      // The agent would hand the trust variables to what it starts. Without one, docker exec takes the container's.
      'env = concat(["CODER_AGENT_TOKEN=none"], [for name, value in module.boundary.trust_variables : join("=", [name, value])])',
      '}',
      '',
    ].join('\n'),
    environment: coderEnvironment({ workspaceId: WORKSPACE_ID, owner: OWNER, initScript: STAND_IN }),
  });
}

/** Removes what the workspace left in the engine, with or without Terraform's state. */
export function sweep(): void {
  const labelled = (...args: string[]): string[] => {
    const filter = ['--filter', `label=coder.workspace_id=${WORKSPACE_ID}`];
    const { stdout } = spawnSync('docker', [...args, ...filter], { encoding: 'utf8' });
    return (stdout ?? '').split('\n').filter((name) => name !== '');
  };
  const remove = (args: readonly string[], found: readonly string[]): void => {
    if (found.length > 0)
      spawnSync('docker', [...args, ...found], { stdio: ['ignore', 'ignore', 'inherit'] });
  };
  remove(['rm', '--force'], labelled('ps', '--all', '--quiet'));
  remove(['network', 'rm'], labelled('network', 'ls', '--quiet'));
  remove(['volume', 'rm', '--force'], labelled('volume', 'ls', '--quiet'));
}
