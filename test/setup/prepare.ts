/**
 * What some tests need beyond the machine's packages and takes long to make the first time: a Docker engine, images,
 * Terraform and its providers. Made before the tests, which have less time; each test asks for its part again, which
 * is quick by then.
 */
import { ensureBaseImage } from './base-image.ts';
import { ensureBoundaryImage } from './boundary-image.ts';
import { ensureEngine } from './docker-engine.ts';
import { ensureTerraform } from './terraform.ts';
import { ensureWorkspaceImage } from './workspace-image.ts';

/** The images of the tests, by name; an engine that they are in. */
export interface Images {
  readonly base: string;
  readonly boundary: string;
  readonly workspace: string;
}

/** Makes sure that every image of the tests is there. */
export async function ensureImages(): Promise<Images> {
  await ensureEngine();
  const base = await ensureBaseImage();
  const [boundary, workspace] = await Promise.all([ensureBoundaryImage(), ensureWorkspaceImage()]);
  return { base, boundary, workspace };
}

/** By the directories whose tests need it. */
const PARTS: readonly { readonly needs: () => Promise<unknown>; readonly below: readonly string[] }[] = [
  { needs: ensureImages, below: ['test/docker/', 'test/terraform/'] },
  { needs: ensureTerraform, below: ['test/docker/', 'test/terraform/'] },
];

/**
 * Makes what these test files need.
 *
 * @param files paths relative to the repository
 * @returns what could not be made, as texts that say why; empty when everything is there
 */
export async function prepare(files: readonly string[]): Promise<string[]> {
  const wanted = PARTS.filter(({ below }) =>
    files.some((file) => below.some((directory) => file.startsWith(directory))),
  );
  const results = await Promise.allSettled(wanted.map(({ needs }) => needs()));
  return results.flatMap((result) =>
    result.status === 'rejected'
      ? [result.reason instanceof Error ? result.reason.message : String(result.reason)]
      : [],
  );
}

if (import.meta.main) {
  const faults = await prepare(['test/docker/', 'test/terraform/']);
  for (const fault of faults) process.stderr.write(`setup: ${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
