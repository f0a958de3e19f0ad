/**
 * Checks every Terraform file: its formatting, and that the module and each example is valid with the real providers.
 * One of the static checks of test/run.ts.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, moduleFiles, openTemplate } from '../harness/template.ts';
import { ensureTerraform } from './terraform.ts';

const ROOT = join(import.meta.dirname, '../..');

const environment = coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a00' });
const { terraform, env } = await ensureTerraform();
const format = ['fmt', '-check', '-diff', '-recursive', '.'];
const formatted = spawnSync(terraform, format, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
let faults = formatted.status === 0 ? 0 : 1;

const examples = new Set(globSync('examples/**/*.tf', { cwd: ROOT }).map((file) => dirname(file)));
for (const directory of ['.', ...[...examples].sort()]) {
  const source = join(ROOT, directory);
  const template = await openTemplate(
    directory === '.'
      ? { source, files: moduleFiles, environment }
      : { source, override: localModule(), environment },
  );
  try {
    const { code, stdout, stderr } = await template.run('validate', '-no-color');
    if (code !== 0) {
      faults += 1;
      process.stderr.write(`${directory}: ${stderr}${stdout}\n`);
    }
  } finally {
    template.close();
  }
}
process.exitCode = faults === 0 ? 0 : 1;
