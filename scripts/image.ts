/**
 * Builds the image from what `make build` built. `make image` runs it. Where no Docker engine answers, it starts one,
 * and installs one before that on a Debian without, as root.
 *
 *   node scripts/image.ts [--tag boundary:dev] [--base NODE_IMAGE]
 *
 * A base that is not on this machine is pulled. Where no registry can be reached, one of the same name is made from
 * Debian's packages and the Node that runs this, as for the tests.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { baseImageName, ensureBaseImage } from '../test/setup/base-image.ts';
import { ensureEngine } from '../test/setup/docker-engine.ts';
import { imageId } from '../test/setup/docker-image.ts';
import { ENGINE_NEEDS, installPackages } from '../test/setup/packages.ts';
import { buildArguments, imageContext, writeImageContext } from './image-context.ts';

/** How a build reaches Debian's packages, when this machine goes through a proxy. */
const PROXY_VARIABLES = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: 'boundary:dev' },
    base: { type: 'string', default: baseImageName() },
  },
});

/** Runs docker and shows what it says. */
function docker(args: readonly string[]): boolean {
  return spawnSync('docker', args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

function fail(text: string): never {
  process.stderr.write(`make: ${text}\n`);
  process.exit(1);
}

const reason = (error: unknown): never => fail(error instanceof Error ? error.message : String(error));

for (const fault of installPackages(ENGINE_NEEDS)) process.stderr.write(`make: ${fault}\n`);
await ensureEngine().catch(reason);
if (imageId(values.base) === null && !docker(['pull', values.base])) {
  if (values.base !== baseImageName()) fail(`${values.base} could not be pulled; docker says why above`);
  await ensureBaseImage().catch(reason);
}
const proxy = PROXY_VARIABLES.flatMap((name) => {
  const value = process.env[name];
  return value === undefined ? [] : [[name, value] as const];
});
const directory = writeImageContext(imageContext());
const settings = { tag: values.tag, base: values.base, values: Object.fromEntries(proxy) };
process.exitCode = docker(buildArguments(directory, settings)) ? 0 : 1;
