/** Prints what examples/docker changes of Coder's Docker starter template, as README.md shows it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** The hunks of a unified diff with one line of context, without its head. */
export function starterDiff(): string {
  const files = ['test/terraform/starter/main.tf', 'examples/docker/main.tf'];
  const plain = ['-c', 'core.pager=', '-c', 'color.ui=false', '-c', 'diff.external='];
  const args = [...plain, 'diff', '--no-index', '--no-ext-diff', '--unified=1', ...files];
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 1) throw new Error(`git diff ended with ${status}, expected 1: ${stderr}`);
  // What git shows behind the second @@ is no part of the hunk.
  return stdout.slice(stdout.indexOf('\n@@') + 1).replaceAll(/^(@@ .*? @@).*$/gm, '$1');
}

if (import.meta.main) process.stdout.write(starterDiff());
