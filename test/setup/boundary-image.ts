import { join } from 'node:path';
import { buildArguments, imageContext, writeImageContext } from '../../scripts/image-context.ts';
import { ensureBaseImage } from './base-image.ts';
import { debianMirror } from './debian-mirror.ts';
import { imageId, imageLabel } from './docker-image.ts';
import { loggedRun } from './logged-run.ts';
import { locked } from './machine-lock.ts';

const CACHE = join(import.meta.dirname, '../../.cache/docker');
/** Names what the image was made of: the context and the base. */
const CONTENTS_LABEL = 'boundary.test.contents';

/** The name of the image that the tests run: what `make build` built, in the image that users get. */
export const BOUNDARY_IMAGE = 'boundary:dev';

/**
 * Makes sure that the boundary's image is there and holds what was built last.
 *
 * @returns its name
 */
export async function ensureBoundaryImage(): Promise<string> {
  const base = await ensureBaseImage();
  const context = imageContext();
  const contents = `${context.digest} on ${imageId(base)}`;
  const there = (): boolean => imageLabel(BOUNDARY_IMAGE, CONTENTS_LABEL) === contents;
  if (!there()) {
    await locked(join(CACHE, 'boundary-image.lock'), async () => {
      if (there()) return;
      process.stderr.write(`setup: building ${BOUNDARY_IMAGE}\n`);
      const directory = writeImageContext(context);
      const labels = { [CONTENTS_LABEL]: contents };
      const settings = { tag: BOUNDARY_IMAGE, base, labels, values: debianMirror().proxy };
      await loggedRun(join(CACHE, 'boundary-image.log'), 'docker', buildArguments(directory, settings));
      // What an earlier build had this name for, unless something still runs in it.
      const prune = ['image', 'prune', '--force', '--filter', `label=${CONTENTS_LABEL}`];
      await loggedRun(join(CACHE, 'prune.log'), 'docker', prune);
    });
  }
  return BOUNDARY_IMAGE;
}

if (import.meta.main) process.stdout.write(`${await ensureBoundaryImage()}\n`);
