import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBaseImage } from './base-image.ts';
import { debianMirror } from './debian-mirror.ts';
import { imageId, imageLabel } from './docker-image.ts';
import { loggedRun } from './logged-run.ts';
import { locked } from './machine-lock.ts';

const CONTEXT = join(import.meta.dirname, 'workspace');
const CACHE = join(import.meta.dirname, '../../.cache/docker');
const RECIPE_LABEL = 'boundary.test.recipe';

/** The workspace of the tests: see its Dockerfile. */
export const WORKSPACE_IMAGE = 'boundary-test-workspace:dev';

/**
 * Makes sure that the image of the tests' workspaces is there.
 *
 * @returns its name
 */
export async function ensureWorkspaceImage(): Promise<string> {
  const base = await ensureBaseImage();
  const recipe = createHash('sha256')
    .update(readFileSync(join(CONTEXT, 'Dockerfile')))
    .update(imageId(base) ?? '')
    .digest('hex')
    .slice(0, 16);
  const there = (): boolean => imageLabel(WORKSPACE_IMAGE, RECIPE_LABEL) === recipe;
  if (!there()) {
    await locked(join(CACHE, 'workspace-image.lock'), async () => {
      if (there()) return;
      process.stderr.write(`setup: building ${WORKSPACE_IMAGE} (a minute)\n`);
      const { proxy } = debianMirror();
      const values = { NODE_IMAGE: base, ...proxy };
      const args = Object.entries(values).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
      const label = ['--label', `${RECIPE_LABEL}=${recipe}`];
      const build = ['build', ...args, ...label, '--tag', WORKSPACE_IMAGE, CONTEXT];
      await loggedRun(join(CACHE, 'workspace-image.log'), 'docker', build);
    });
  }
  return WORKSPACE_IMAGE;
}

if (import.meta.main) process.stdout.write(`${await ensureWorkspaceImage()}\n`);
