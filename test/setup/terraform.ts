/** Terraform and the providers of our module, for the tests. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type GoProgram, goBuild } from './go-build.ts';
import { ensureProviders } from './terraform-providers.ts';

/** What our module asks for at least. */
const LEAST = [1, 9] as const;
const VERSION = '1.11.4';
const OWN = join(import.meta.dirname, `../../.cache/terraform/terraform-${VERSION}`);

const MODULE = 'github.com/hashicorp/terraform';
/** The commit of v1.11.4. Its parts are modules of their own, which its go.mod takes from directories beside it. */
const PARTS_VERSION = 'v0.0.0-20250409131005-35645b8fca68';
const BACKENDS = ['azure', 'consul', 'cos', 'gcs', 'kubernetes', 'oss', 'pg', 's3'];
const PARTS = ['internal/legacy', ...BACKENDS.map((name) => `internal/backend/remote-state/${name}`)];

const PROGRAM: GoProgram = {
  package: MODULE,
  module: { path: MODULE, version: `v${VERSION}` },
  replaced: Object.fromEntries(
    PARTS.map((part) => [`${MODULE}/${part}`, `${MODULE}/${part} ${PARTS_VERSION}`]),
  ),
  variables: { [`${MODULE}/version.dev`]: 'no' },
};

/** How a test runs Terraform. */
export interface Terraform {
  /** Path of the program. */
  readonly terraform: string;
  /** Its environment: this process's, and where the providers lie. */
  readonly env: NodeJS.ProcessEnv;
}

/** Whether this terraform is new enough. */
function suits(terraform: string): boolean {
  const env = { ...process.env, TF_CLI_CONFIG_FILE: '/dev/null', CHECKPOINT_DISABLE: '1' };
  const result = spawnSync(terraform, ['version', '-json'], { cwd: '/', encoding: 'utf8', env });
  const [, major, minor] = /"terraform_version": "(\d+)\.(\d+)\./.exec(result.stdout ?? '') ?? [];
  const [leastMajor, leastMinor] = LEAST;
  return Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor);
}

/**
 * Makes sure that Terraform and the providers are there: the terraform in PATH when it is new enough, else one that is
 * built here; the providers always from here.
 *
 * @throws when something could not be built; the message has the end of Go's output
 */
export async function ensureTerraform(): Promise<Terraform> {
  let terraform = OWN;
  if (!existsSync(OWN)) {
    if (suits('terraform')) terraform = 'terraform';
    else await goBuild(PROGRAM, OWN, 'ten minutes');
  }
  const configuration = await ensureProviders();
  const env = {
    ...process.env,
    TF_CLI_CONFIG_FILE: configuration,
    CHECKPOINT_DISABLE: '1',
    TF_IN_AUTOMATION: '1',
  };
  return { terraform, env };
}

if (import.meta.main) {
  const { terraform, env } = await ensureTerraform();
  process.stdout.write(`TF_CLI_CONFIG_FILE=${env.TF_CLI_CONFIG_FILE} ${terraform}\n`);
}
