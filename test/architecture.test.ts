import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '..');

/** What each room may import from. Types of a lower room's contract are imports like any other. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  target: [],
  policy: ['target'],
  metrics: ['policy', 'target'],
  audit: ['policy', 'target', 'metrics'],
  certificates: ['policy', 'target', 'metrics'],
  resolver: ['policy', 'target', 'metrics'],
  proxy: ['resolver', 'certificates', 'audit', 'metrics', 'policy', 'target'],
  isolation: ['resolver', 'certificates', 'audit', 'metrics', 'policy', 'target'],
  control: ['resolver', 'certificates', 'audit', 'metrics', 'policy', 'target'],
  cli: ['control', 'isolation', 'proxy', 'resolver', 'certificates', 'audit', 'metrics', 'policy', 'target'],
};

/** Rooms side by side that may name each other's types, nothing else. */
const BESIDE: Readonly<Record<string, readonly string[]>> = { metrics: ['audit'] };

/** What the rooms without input and output may take from Node: data and pure functions of these modules, or all of it. */
const PURE: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  target: { 'node:net': /^isIP/, 'node:url': /^domainToASCII$/, 'node:http': /^METHODS$/ },
  // Loading a policy reads files: its own presets and what `inject` names.
  policy: {
    'node:net': /^isIP/,
    'node:url': /^domainToASCII$|^fileURLToPath$/,
    'node:fs': /^readFileSync$|^readdirSync$|^existsSync$/,
    'node:path': /./,
    'node:os': /^homedir$/,
    'node:crypto': /^createHash$|^hash$/,
    'node:util': /./,
    'node:http': /^METHODS$|^validateHeader/,
  },
};

const MOST_LINES = { program: 320, tests: 600 };
const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?\bfrom\s+'([^']+)'|\bimport\('([^']+)'\)|^\s*import\s+'([^']+)'/gm;
const NODE_IMPORT = /^import\s+(?:type\s+)?([^'"]+?)\s+from '(node:[^']+)'/gm;
const TYPE_IMPORT = /^import type\b[^'"]*?\bfrom\s+'([^']+)'/gm;

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function sources(pattern: string): Source[] {
  return globSync(pattern, { cwd: ROOT, exclude: ['**/node_modules/**'] }).map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    const imports = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
    return { path, room: path.split('/')[2] ?? '', text, imports };
  });
}

/** The path in the repository that a relative import names. */
function resolved(source: Source, specifier: string): string {
  return normalize(join(dirname(source.path), specifier));
}

function mayImport(source: Source, specifier: string): boolean {
  const path = resolved(source, specifier);
  const room = path.split('/')[2] ?? '';
  if (!path.startsWith('sidecar/src/') || room === source.room) return true;
  if (BELOW[source.room]?.includes(room)) return true;
  const typesOnly = [...source.text.matchAll(TYPE_IMPORT)].some((match) => match[1] === specifier);
  return typesOnly && (BESIDE[source.room]?.includes(room) ?? false);
}

const program = sources('sidecar/src/**/*.ts').filter((source) => !source.path.endsWith('.test.ts'));
const everything = [...sources('sidecar/src/**/*.ts'), ...sources('{scripts,test}/**/*.ts')];

const isTest = (path: string): boolean => path.endsWith('.test.ts');

describe('architecture', () => {
  it('has sources to check, in known rooms', () => {
    assert.ok(program.length > 50, `${program.length} sources`);
    const unknown = program.filter((source) => !(source.room in BELOW)).map((source) => source.path);
    assert.deepEqual(unknown, []);
  });

  it('imports point downwards only', () => {
    const upwards = program.flatMap((source) =>
      source.imports
        .filter((specifier) => specifier.startsWith('.'))
        .filter((specifier) => !mayImport(source, specifier))
        .map((specifier) => `${source.path} imports ${resolved(source, specifier)}`),
    );
    assert.deepEqual(upwards, []);
  });

  it('the program imports nothing from tests and scripts', () => {
    const outside = program.flatMap((source) =>
      source.imports
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => resolved(source, specifier))
        .filter((path) => !path.startsWith('sidecar/'))
        .map((path) => `${source.path} imports ${path}`),
    );
    assert.deepEqual(outside, []);
  });

  it('target and policy open no sockets and start no programs', () => {
    const impure = program.flatMap((source) => {
      const pure = PURE[source.room];
      if (pure === undefined) return [];
      return [...source.text.matchAll(NODE_IMPORT)].flatMap(([, clause = '', module = '']) =>
        clause
          .replace(/[{}]/g, '')
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '' && !pure[module]?.test(name.replace(/^type /, '')))
          .map((name) => `${source.path} imports ${name} from ${module}`),
      );
    });
    assert.deepEqual(impure, []);
  });

  it('only the command reads the environment and ends the process', () => {
    const readers = program
      .filter((source) => source.room !== 'cli' && /\bprocess\.(exit|argv)\b/.test(source.text))
      .map((source) => source.path);
    assert.deepEqual(readers, []);
  });

  it('a file has one subject and is not long', () => {
    const long = everything
      .map((source) => ({ path: source.path, lines: source.text.split('\n').length }))
      .filter(({ path, lines }) => lines > (isTest(path) ? MOST_LINES.tests : MOST_LINES.program))
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    assert.deepEqual(long, []);
  });

  it('a file is named for its subject', () => {
    const vague = /^(utils?|helpers?|common|misc|shared|constants)\b/;
    assert.deepEqual(
      everything.filter((source) => vague.test(basename(source.path))).map((source) => source.path),
      [],
    );
  });

  it('nothing is left open: no suppressed check, no skipped test, no note to oneself', () => {
    // Put together here, so that this file does not find itself.
    const marks = [
      '@ts-' + 'ignore',
      '@ts-' + 'nocheck',
      'biome-' + 'ignore',
      'TO' + 'DO',
      'FIX' + 'ME',
      '.only' + '(',
    ];
    const found = everything.flatMap((source) =>
      marks.filter((mark) => source.text.includes(mark)).map((mark) => `${source.path}: ${mark}`),
    );
    assert.deepEqual(found, []);
  });
});
