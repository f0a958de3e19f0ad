import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '..');
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** The anchor that a heading gets on the pages of code hosts: lower case, spaces to dashes, most marks dropped. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function anchors(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+\s+(.*)$/gm)].map((match) => anchorOf(match[1] ?? ''));
}

describe('documentation', () => {
  const pages = globSync(['*.md', '{docs,examples,sidecar}/**/*.md'], {
    cwd: ROOT,
    exclude: ['**/node_modules/**'],
  });

  for (const page of pages) {
    it(`${page}: its links lead somewhere`, () => {
      // Code blocks hold what looks like links.
      const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '');
      const broken = [...text.matchAll(LINK)]
        .map((match) => match[1] ?? '')
        .filter((link) => !/^(https?|mailto):/.test(link))
        .filter((link) => {
          const [path = '', anchor] = link.split('#', 2);
          const file = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
          return !existsSync(file) || (anchor !== undefined && !anchors(file).includes(anchor));
        });
      assert.deepEqual(broken, []);
    });
  }

  it('names every dependency with its reason, and no other', () => {
    const text = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8').split('## Looked at')[0] ?? '';
    const named = [...text.matchAll(/^\| (.*?) \|/gm)].flatMap((row) => [
      ...(row[1] ?? '').matchAll(/`([^`]+)`/g),
    ]);
    const names = named.map((match) => match[1] ?? '');
    const manifests = ['package.json', 'sidecar/package.json'].map(
      (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Record<string, Record<string, string>>,
    );
    const used = manifests.flatMap((manifest) =>
      ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((key) =>
        Object.entries(manifest[key] ?? {}),
      ),
    );
    const missing = used.filter(([name]) => !names.includes(name.startsWith('@types/') ? '@types/*' : name));
    assert.deepEqual(missing, []);
    const packages = used.map(([name]) => (name.startsWith('@types/') ? '@types/*' : name));
    assert.deepEqual(
      names.filter((name) => !packages.includes(name)),
      [],
    );
    const loose = used.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    assert.deepEqual(loose, []);
  });
});
