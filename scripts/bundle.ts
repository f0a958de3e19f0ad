import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { leftOut } from './left-out.ts';
import { thirdPartyLicences } from './third-party-licences.ts';

/** The directory of the repository. */
export const ROOT = join(import.meta.dirname, '..');

/** Where the program starts, within the files that {@link bundle} makes. */
export const ENTRY = 'src/cli/main.js';

/** The version in sidecar/package.json: that of the command, the archives and the image. */
export function version(): string {
  const parsed: { version: string } = JSON.parse(
    readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8'),
  ) as { version: string };
  return parsed.version;
}

function filesUnder(directory: string, keep: (name: string) => boolean): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && keep(entry.name) && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/**
 * Makes the program as it ships: an entry, the parts that it loads when they are needed, and the data files it reads.
 * They lie at the same depth as every source file (src/ROOM/file), so an address relative to
 * `import.meta.url`, such as `../../presets`, is right in both.
 *
 * @returns contents by path relative to the program's directory, in the order of their paths
 * @throws after esbuild has printed the faults it found
 */
export async function bundle(): Promise<Map<string, Uint8Array>> {
  const sidecar = join(ROOT, 'sidecar');
  const result = await build({
    entryPoints: [join(sidecar, 'src/cli/main.ts')],
    bundle: true,
    // What one command alone needs is loaded with it. All pieces lie beside the entry, at the depth of a source file.
    splitting: true,
    outdir: join(sidecar, dirname(ENTRY)),
    entryNames: '[name]',
    chunkNames: 'part-[hash]',
    platform: 'node',
    target: 'node26',
    format: 'esm',
    write: false,
    metafile: true,
    absWorkingDir: ROOT,
    plugins: [leftOut],
    // Native code cannot be part of a bundle: koffi-files.ts puts it beside.
    external: ['koffi'],
    legalComments: 'none',
    logLevel: 'error',
    // Packages in CommonJS ask for Node's own modules through require, which a module does not have.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
  });
  const files = new Map<string, Uint8Array>(
    result.outputFiles.map(({ path, contents }) => [relative(sidecar, path), contents]),
  );
  if (!files.has(ENTRY)) throw new Error('esbuild made no output for sidecar/src/cli/main.ts');
  const data = [
    ...filesUnder(join(sidecar, 'presets'), (name) => name.endsWith('.yaml')),
    ...filesUnder(join(sidecar, 'view'), (name) => !name.endsWith('.ts')),
    ...filesUnder(sidecar, (name) => name.endsWith('.schema.json') || name === 'schema.json'),
  ];
  for (const file of data) files.set(relative(sidecar, file), readFileSync(file));
  // What a template's startup script carries, for those who have the program.
  files.set('doctor.sh', readFileSync(join(ROOT, 'scripts/doctor.sh')));
  const licences = thirdPartyLicences(ROOT, [
    ...Object.keys(result.metafile.inputs),
    'node_modules/koffi/index.js',
  ]);
  files.set('THIRD-PARTY-LICENCES', Buffer.from(licences));
  // Only what the program reads: its dependencies are in the bundle.
  const manifest = { name: 'boundary', version: version(), license: 'MIT', type: 'module' };
  files.set('package.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  return new Map([...files].sort(([left], [right]) => (left < right ? -1 : 1)));
}
