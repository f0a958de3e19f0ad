import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configPath } from './config-path.ts';

const own = '/home/a/.config/boundary/boundary.yaml';
const coders = '/home/a/.config/coder_boundary/config.yaml';

/** The flag, BOUNDARY_CONFIG, what exists, and the file that is read. */
const cases: readonly [string | undefined, string | undefined, readonly string[], string | null][] = [
  ['flag.yaml', 'env.yaml', [own, coders], 'flag.yaml'],
  ['absent.yaml', undefined, [own], 'absent.yaml'],
  [undefined, 'env.yaml', [own, coders], 'env.yaml'],
  [undefined, 'absent.yaml', [own], 'absent.yaml'],
  [undefined, '', [own, coders], own],
  [undefined, undefined, [own, coders], own],
  [undefined, undefined, [coders], coders],
  [undefined, undefined, ['boundary.yaml', './boundary.yaml'], null],
];

for (const [flag, variable, existing, expected] of cases) {
  test(`flag ${flag}, BOUNDARY_CONFIG ${variable}, ${existing.join(' and ')}: ${expected}`, () => {
    const env = { HOME: '/home/a', ...(variable === undefined ? {} : { BOUNDARY_CONFIG: variable }) };
    assert.equal(
      configPath(flag, env, (path) => existing.includes(path)),
      expected,
    );
  });
}
