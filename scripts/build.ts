/** Makes dist/ (the bundle and its data) and bin/boundary. `make build` runs it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { bundle, ENTRY, ROOT } from './bundle.ts';
import { launcherScript } from './launcher.ts';

const STAGING = join(ROOT, '.cache');
mkdirSync(STAGING, { recursive: true });

/** Replaces a file in one step, and only when it differs: a boundary that is being started never reads half of it. */
function place(path: string, contents: Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    if (readFileSync(path).equals(contents)) return;
  } catch {
    // Not there yet.
  }
  const staged = join(STAGING, `${process.pid}`);
  writeFileSync(staged, contents);
  chmodSync(staged, mode);
  renameSync(staged, path);
}

function removeStale(directory: string, wanted: ReadonlySet<string>): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !wanted.has(relative(directory, path))) rmSync(path, { force: true });
  }
}

const started = performance.now();
const dist = join(ROOT, 'dist/boundary');
const files = await bundle().catch(() => process.exit(1)); // esbuild has said why.
for (const [path, contents] of files) place(join(dist, path), contents);
removeStale(dist, new Set(files.keys()));

const node = relative(ROOT, process.execPath);
const launcher = launcherScript(node, `dist/boundary/${ENTRY}`);
place(join(ROOT, 'bin/boundary'), Buffer.from(launcher), 0o755);
const kib = Math.round((files.get(ENTRY)?.byteLength ?? 0) / 1024);
process.stderr.write(
  `make: built bin/boundary (${kib} KiB bundle) in ${Math.round(performance.now() - started)} ms\n`,
);
