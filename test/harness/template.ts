import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { serveModules } from '../setup/module-registry.ts';
import { ensureTerraform } from '../setup/terraform.ts';
import { cleanEnvironment, collected, type Ended } from './boundary.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Characters of standard output to show where Terraform failed without a word on standard error. */
const OUTPUT_SHOWN = 4000;

/** The parts of `terraform show -json` for a plan that tests look at. */
export interface Plan {
  readonly resource_changes: readonly {
    readonly address: string;
    readonly type: string;
    readonly change: {
      readonly actions: readonly string[];
      readonly before: Readonly<Record<string, unknown>> | null;
      readonly after: Readonly<Record<string, unknown>> | null;
    };
  }[];
  readonly output_changes?: Readonly<Record<string, { readonly after?: unknown }>>;
}

export interface Resource {
  readonly address: string;
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

interface StateModule {
  readonly resources?: readonly Resource[];
  readonly child_modules?: readonly StateModule[];
}

export interface TemplateOptions {
  /** The directory whose files are copied. */
  readonly source: string;
  /** Of these, relative to it; all by default. */
  readonly files?: readonly string[];
  /** Written beside them as an override file; Terraform merges it into the blocks of the same name. */
  readonly override?: string;
  /** Written beside them as one more file. */
  readonly addition?: string;
  /** Where the copy goes; by default a temporary directory that `close` removes. */
  readonly directory?: string;
  readonly initArguments?: readonly string[];
  /** For the provider: see coder-environment.ts. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A template in a directory of its own, ready for plan and apply. */
export interface Template {
  readonly directory: string;
  /** The environment of the next runs. */
  environment: Readonly<Record<string, string>>;
  /** Runs terraform. Resolves whatever its exit code is. */
  run(...args: readonly string[]): Promise<Ended>;
  /** A plan as Terraform prints it in JSON. Throws with what Terraform said where there is none. */
  plan(...args: readonly string[]): Promise<Plan>;
  /** Applies without asking. Throws with what Terraform said where it fails. */
  apply(...args: readonly string[]): Promise<Ended>;
  /** What the state holds. */
  resources(): Promise<readonly Resource[]>;
  close(): void;
}

/** What the module consists of, as a template's `source` fetches it, without what only developers need. */
export const moduleFiles = [
  ...['main.tf', 'seccomp.tf', 'variables.tf', 'outputs.tf', 'versions.tf'],
  ...['scripts/startup.sh.tftpl', 'scripts/doctor.sh'],
];

/** The override that makes a template use this repository's module instead of a released one. */
export function localModule(lines: readonly string[] = []): string {
  return ['module "boundary" {', `source = ${JSON.stringify(ROOT)}`, ...lines, '}', ''].join('\n');
}

/** Copies a template and runs `terraform init` on it: providers from the machine's mirror, modules from stand-ins. */
export async function openTemplate(options: TemplateOptions): Promise<Template> {
  const { terraform, env: terraformEnvironment } = await ensureTerraform();
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'boundary-template-'));
  mkdirSync(directory, { recursive: true });
  for (const file of options.files ?? ['.']) {
    cpSync(join(options.source, file), join(directory, file), {
      recursive: true,
      filter: (path) => !basename(path).startsWith('.terraform'),
    });
  }
  if (options.override !== undefined) writeFileSync(join(directory, 'zz_override.tf'), options.override);
  if (options.addition !== undefined) writeFileSync(join(directory, 'zz_addition.tf'), options.addition);
  const configuration = join(directory, 'terraform.rc');
  const ofTerraform = { TF_CLI_CONFIG_FILE: configuration, CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1' };
  const close = () => {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  };

  async function run(...args: readonly string[]): Promise<Ended> {
    const env = { ...cleanEnvironment(), ...ofTerraform, ...template.environment };
    const child = spawn(terraform, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    return collected(child, undefined).ended;
  }
  async function mustRun(...args: readonly string[]): Promise<Ended> {
    const ended = await run(...args);
    if (ended.code === 0) return ended;
    const said = ended.stderr.trim() === '' ? ended.stdout.slice(-OUTPUT_SHOWN) : ended.stderr;
    throw new Error(`terraform ${args.join(' ')} ended with ${ended.code}:\n${said}`);
  }
  const template: Template = {
    directory,
    environment: options.environment,
    run,
    async plan(...args) {
      await mustRun('plan', '-input=false', '-no-color', '-out=plan', ...args);
      return JSON.parse((await mustRun('show', '-json', 'plan')).stdout) as Plan;
    },
    apply: (...args) => mustRun('apply', '-auto-approve', '-input=false', '-no-color', ...args),
    async resources() {
      const state = JSON.parse((await mustRun('show', '-json')).stdout) as {
        readonly values?: { readonly root_module: StateModule };
      };
      return state.values === undefined ? [] : [...resourcesOf(state.values.root_module)];
    },
    close,
  };

  const registry = await serveModules();
  try {
    writeFileSync(
      configuration,
      readFileSync(terraformEnvironment.TF_CLI_CONFIG_FILE ?? '', 'utf8') + registry.hostBlock,
    );
    await mustRun('init', '-input=false', '-no-color', ...(options.initArguments ?? []));
  } catch (error) {
    close();
    throw error;
  } finally {
    registry.close();
  }
  return template;
}

function* resourcesOf(module: StateModule): Generator<Resource> {
  yield* module.resources ?? [];
  for (const child of module.child_modules ?? []) yield* resourcesOf(child);
}
