import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { starterDiff } from '../../scripts/starter-diff.ts';
import { loadPolicy } from '../../sidecar/src/policy/load.ts';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, openTemplate } from '../harness/template.ts';

const ROOT = join(import.meta.dirname, '../..');
const templates = globSync('examples/*/main.tf', { cwd: ROOT }).map(dirname).sort();

describe('the templates of examples/', () => {
  it('are there', () => assert.deepEqual(templates, ['examples/claude-code', 'examples/docker']));

  for (const path of templates) {
    it(`${path} is valid and plans, with the boundary on and off, without an engine`, async () => {
      const template = await openTemplate({
        source: join(ROOT, path),
        override: localModule(),
        environment: {
          ...coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a05' }),
          DOCKER_HOST: 'unix:///nonexistent/docker.sock',
          TF_VAR_anthropic_api_key: 'key',
        },
      });
      try {
        const { stdout } = await template.run('validate', '-json');
        assert.deepEqual((JSON.parse(stdout) as { diagnostics: unknown[] }).diagnostics, []);
        const modules = async (on: boolean): Promise<number> => {
          const plan = await template.plan(`-var=boundary_enabled=${on}`);
          return plan.resource_changes.filter(({ address }) => address.startsWith('module.boundary.')).length;
        };
        assert.ok((await modules(true)) > 30);
        assert.equal(await modules(false), 0);
      } finally {
        template.close();
      }
    });

    it(`${path} names a released module, and a policy that loads`, () => {
      const text = readFileSync(join(ROOT, path, 'main.tf'), 'utf8');
      assert.match(text, /source += "git::https:.*\?ref=v\d+\.\d+\.\d+"/);
      const [, file = ''] = /policy_path += "\$\{path\.module\}\/(.+)"/.exec(text) ?? [];
      const policy = readFileSync(join(ROOT, path, file), 'utf8');
      const loaded = loadPolicy({
        sources: [{ file: basename(file), text: policy }],
        env: { ANTHROPIC_API_KEY: 'key' },
      });
      assert.ok(loaded.ok, JSON.stringify(loaded));
      assert.deepEqual(loaded.warnings, []);
    });
  }

  it('README.md shows what examples/docker changes of the starter', () => {
    const [, shown] = /```diff\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
    assert.equal(shown, starterDiff());
  });
});
