/** A check of the sources that runs as a program of its own and passes when it exits with 0. */
export interface StaticCheck {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** Formatting, lint and types; that the module and the examples are valid to Terraform. */
export function staticChecks(): StaticCheck[] {
  return [
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
    {
      name: 'Terraform files',
      command: process.execPath,
      args: ['test/setup/check-templates.ts'],
    },
  ];
}
