import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The licences of the packages that a bundle holds parts of, one after the other, each with its name and version: what
 * they ask of whoever passes them on.
 *
 * @param inputs the files that the bundle was made of, relative to `root` (esbuild's metafile)
 * @throws where a package has no licence file: then somebody has to look
 */
export function thirdPartyLicences(root: string, inputs: readonly string[]): string {
  const directories = new Set(
    inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  return [...directories]
    .sort()
    .map((directory) => licenceOf(join(root, directory)))
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceOf(directory: string): string {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const file = readdirSync(directory).find((name) => /^(?:licen[cs]e|copying)\b/i.test(name));
  if (file === undefined) {
    throw new Error(
      `${directory} holds no licence file; add its licence to the bundle by hand, or do without it`,
    );
  }
  const text = readFileSync(join(directory, file), 'utf8').trim();
  return `${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})\n\n${text}\n`;
}
