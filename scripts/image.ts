/**
 * Builds the image from what `make build` built. `make image` runs it; needs a Docker engine.
 *
 *   node scripts/image.ts [--tag boundary:dev] [--base NODE_IMAGE]
 *
 * A base that is not on this machine is pulled. Where no registry can be reached, one of the same name is made from
 * Debian's packages and the Node that runs this, as for the tests.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { baseImageName, ensureBaseImage } from '../test/setup/base-image.ts';
import { imageId } from '../test/setup/docker-image.ts';
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

if (imageId(values.base) === null && !docker(['pull', values.base])) {
  if (values.base !== baseImageName()) {
    process.stderr.write(
      `make: ${values.base} is neither here nor could it be pulled (docker says why above)\n`,
    );
    process.exit(1);
  }
  await ensureBaseImage();
}
const proxy = PROXY_VARIABLES.flatMap((name) => {
  const value = process.env[name];
  return value === undefined ? [] : [[name, value] as const];
});
const directory = writeImageContext(imageContext());
const settings = { tag: values.tag, base: values.base, values: Object.fromEntries(proxy) };
process.exitCode = docker(buildArguments(directory, settings)) ? 0 : 1;
