import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './bundle.ts';
import { fileOf, pinnedTarball } from './pinned-package.ts';

/** Node's name of a processor. */
export type Processor = 'x64' | 'arm64';

const COMMON = ['package.json', 'LICENSE.txt', 'index.js', 'src/koffi/index.js', 'src/koffi/src/static.js'];

/**
 * What a shipped boundary needs of koffi, the one package that cannot be part of the bundle: it brings native code, a
 * package for each processor. Its sources and the code for other C libraries stay out.
 *
 * @param processors those the native code is wanted for
 * @returns contents by path relative to the directory in which `import 'koffi'` finds it
 */
export function koffiFiles(processors: readonly Processor[]): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const path of COMMON) {
    files.set(`node_modules/koffi/${path}`, readFileSync(join(ROOT, 'node_modules/koffi', path)));
  }
  for (const processor of processors) {
    const code = fileOf(
      pinnedTarball(`@koromix/koffi-linux-${processor}`),
      `package/linux_${processor}/koffi.node`,
    );
    // Where it looks when its packages for processors are not installed.
    files.set(`node_modules/koffi/build/koffi/linux_${processor}/koffi.node`, code);
  }
  return files;
}
