import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GoProgram, goBuild } from './go-build.ts';

const CACHE = join(import.meta.dirname, '../../.cache/terraform');
/** The host that Terraform looks for a provider under when its address names none. */
const HOST = 'registry.terraform.io';

interface Provider {
  /** As in a template's required_providers. */
  readonly source: string;
  readonly version: string;
  readonly program: GoProgram;
}

/** The fork's path of old, which the docker provider's own go.mod still names. */
const DOCKER_MODULE = 'github.com/terraform-providers/terraform-provider-docker';

const PROVIDERS: readonly Provider[] = [
  {
    source: 'coder/coder',
    version: '2.20.0',
    program: {
      package: 'github.com/coder/terraform-provider-coder/v2',
      module: { path: 'github.com/coder/terraform-provider-coder/v2', version: 'v2.20.0' },
    },
  },
  {
    source: 'kreuzwerker/docker',
    version: '4.6.0',
    program: {
      package: DOCKER_MODULE,
      module: { path: DOCKER_MODULE, version: 'v0.0.0' },
      replaced: {
        [DOCKER_MODULE]:
          'github.com/kreuzwerker/terraform-provider-docker v0.0.0-20260916201441-96d331c98ff4',
      },
      variables: { 'main.version': '4.6.0' },
    },
  },
];

/**
 * Makes sure that the providers of our module are in a directory that Terraform installs them from, so that no provider
 * registry is needed.
 *
 * @returns path of a Terraform CLI configuration that names the directory
 */
export async function ensureProviders(): Promise<string> {
  const mirror = join(CACHE, 'mirror');
  const platform = `linux_${process.arch === 'x64' ? 'amd64' : process.arch}`;
  for (const { source, version, program } of PROVIDERS) {
    const name = `terraform-provider-${source.split('/')[1]}_v${version}`;
    await goBuild(program, join(mirror, HOST, source, version, platform, name), 'some minutes');
  }
  const ours = JSON.stringify(PROVIDERS.map(({ source }) => source));
  const configuration = join(CACHE, 'mirror.tfrc');
  const text = `provider_installation {
  filesystem_mirror {
    path    = ${JSON.stringify(mirror)}
    include = ${ours}
  }
  direct {
    exclude = ${ours}
  }
}
disable_checkpoint = true
`;
  if (!existsSync(configuration) || readFileSync(configuration, 'utf8') !== text) {
    // In one step: a terraform of another test may be reading it.
    writeFileSync(`${configuration}.${process.pid}`, text);
    renameSync(`${configuration}.${process.pid}`, configuration);
  }
  return configuration;
}
