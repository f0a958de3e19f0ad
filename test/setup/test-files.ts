import { globSync } from 'node:fs';

/** Where tests lie. test/bench measures and judges nothing. */
const PATTERNS = ['sidecar/src/**/*.test.ts', 'test/**/*.test.ts'];

/**
 * The test files of the repository, or those whose path holds one of `parts`; the longest-running rooms first, so that
 * the last file to end is a short one.
 *
 * @param root directory of the repository
 */
export function testFiles(root: string, parts: readonly string[]): string[] {
  const files = globSync(PATTERNS, { cwd: root, exclude: ['test/bench/**', '**/node_modules/**'] });
  return files
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .sort((left, right) => weight(left) - weight(right) || (left < right ? -1 : 1));
}

function weight(file: string): number {
  return file.startsWith('test/') ? 0 : 1;
}
