import { globSync } from 'node:fs';

/** A check of the sources that runs as a program of its own and passes when it exits with 0. */
export interface StaticCheck {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Formatting, lint and types; Terraform's own formatting where there are Terraform files. */
export function staticChecks(root: string): StaticCheck[] {
  const checks: StaticCheck[] = [
    {
      name: 'format and lint',
      command: 'node_modules/.bin/biome',
      args: ['check', '--error-on-warnings', '.'],
    },
    { name: 'types', command: 'node_modules/.bin/tsc', args: ['-p', '.'] },
    // What runs in the browser knows other globals than what runs in Node.
    {
      name: 'types of the view',
      command: 'node_modules/.bin/tsc',
      args: ['-p', 'tsconfig.view.json'],
    },
  ];
  const terraform = globSync('**/*.tf', { cwd: root, exclude: ['node_modules/**'] });
  if (terraform.length > 0) {
    checks.push({ name: 'terraform fmt', command: 'terraform', args: ['fmt', '-check', '-recursive', '.'] });
  }
  return checks;
}
