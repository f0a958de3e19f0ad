import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, openTemplate, type Plan, type Template } from '../harness/template.ts';

const ROOT = join(import.meta.dirname, '../..');
const WORKSPACE = 'docker_container.workspace[0]';

/** No engine is there: what plans without one asks none. */
const environment = {
  ...coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a01' }),
  DOCKER_HOST: 'unix:///nonexistent/docker.sock',
};

/** Plans of one template with the module and without, told apart by nothing but that. */
function changeOf(plan: Plan, address: string): unknown {
  const found = plan.resource_changes.find((resource) => resource.address === address);
  assert.ok(found, `${address} is not in the plan`);
  return found.change;
}

function managed(plan: Plan): string[] {
  return plan.resource_changes
    .filter((resource) => !resource.address.includes('data.'))
    .map((resource) => resource.address)
    .sort();
}

/** Every value of a change with its path: `after.env[0]`. */
function valuesOf(value: unknown, path = ''): [string, unknown][] {
  if (value === null || typeof value !== 'object') return [[path, value]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[path, Array.isArray(value) ? '[]' : '{}']];
  return entries.flatMap(([key, item]) => valuesOf(item, path === '' ? key : `${path}.${key}`));
}

describe('with boundary_enabled = false', () => {
  let starter: Template;
  let example: Template;
  let plain: Plan;
  let off: Plan;

  before(async () => {
    starter = await openTemplate({ source: join(ROOT, 'test/terraform/starter'), environment });
    example = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: localModule(),
      environment,
    });
    plain = await starter.plan();
    off = await example.plan('-var=boundary_enabled=false');
  });
  after(() => {
    starter?.close();
    example?.close();
  });

  it("the workspace's plan equals that of the template without the module, attribute by attribute", () => {
    const [expected, found] = [plain, off].map((plan) => valuesOf(changeOf(plan, WORKSPACE)));
    assert.ok(expected && expected.length > 60, `only ${expected?.length} values`);
    assert.deepEqual(found, expected);
    process.stderr.write(`off: ${expected.length} values of ${WORKSPACE} are the same\n`);
  });

  it('so does the plan of everything else, and nothing is added', () => {
    assert.deepEqual(managed(off), managed(plain));
    for (const address of managed(plain)) {
      assert.deepEqual(changeOf(off, address), changeOf(plain, address), address);
    }
  });

  it('the comparison sees a difference: with the boundary on there is one', async () => {
    const on = await example.plan('-refresh=false');
    assert.notDeepEqual(valuesOf(changeOf(on, WORKSPACE)), valuesOf(changeOf(plain, WORKSPACE)));
    assert.ok(managed(on).length > managed(plain).length + 10);
  });

  it('a stopped workspace plans the same as well', async () => {
    const stop = coderEnvironment({
      workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a01',
      transition: 'stop',
    });
    for (const template of [starter, example]) template.environment = { ...environment, ...stop };
    assert.deepEqual(managed(await example.plan()), managed(await starter.plan()));
  });
});
