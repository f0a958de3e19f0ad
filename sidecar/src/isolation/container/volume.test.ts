import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { ContainerError } from './container-error.ts';
import { mountOf, parseVolume, refuseEngine } from './volume.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('a source is a path or a name, a target a path, and ro the one option that counts', () => {
  const parse = (text: string) => parseVolume(text, '/home/me');
  assert.deepEqual(parse('/src:/work'), { source: '/src', target: '/work', readOnly: false });
  assert.deepEqual(parse('.:/work/:ro'), { source: '/home/me', target: '/work', readOnly: true });
  assert.deepEqual(parse('../x:/w/../v:rw'), { source: '/home/x', target: '/v', readOnly: false });
  assert.deepEqual(parse('cache:/root/.cache'), { source: 'cache', target: '/root/.cache', readOnly: false });
});

test('what cannot be meant is refused with what to write', () => {
  for (const [text, says] of [
    ['/src', /expected SOURCE:TARGET or SOURCE:TARGET:ro/],
    [':/work', /expected SOURCE:TARGET/],
    ['/a:/b:ro:x', /expected SOURCE:TARGET/],
    ['/a:/b:z', /found the option "z"; expected ro \(read-only\) or rw/],
    ['/a:b', /b is no absolute path in the container; begin it with \//],
    ['/a:/', /cannot take the place of the root/],
    ['src/x:/b', /src\/x is neither a path, which begins with \/ or \.\/, nor the name of a volume/],
    ['/a:/run/boundary', /is where the boundary's own files appear/],
    ['/a:/run/boundary/trust', /is where the boundary's own files appear/],
    ['/a:/run', /is where the boundary's own files appear/],
  ] as const) {
    assert.throws(() => parseVolume(text, '/'), says, text);
  }
});

test('whatever is asked for, a volume never lies over what the boundary puts into the container', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('run', 'boundary', 'trust', '..', '.', '', 'x')), (parts) => {
      let target: string;
      try {
        ({ target } = parseVolume(`/a:/${parts.join('/')}`, '/'));
      } catch (error) {
        assert.ok(error instanceof ContainerError);
        return;
      }
      assert.doesNotMatch(`${target}/`, /^\/(?:run\/(?:boundary\/.*)?)?$/);
    }),
  );
});

test('the engine itself is never handed to a command', () => {
  symlinkSync('/var/run/docker.sock', join(directory, 'link'));
  const forbidden = { socketPath: '/srv/engine/d.sock', rootDirectory: '/var/lib/docker' };
  const check = (source: string) => refuseEngine({ source, target: '/t', readOnly: true }, forbidden);
  for (const source of [
    '/var/run/docker.sock',
    '/run/docker.sock',
    '/var/run',
    '/run',
    '/',
    '/srv/engine/d.sock',
    '/srv/engine',
    '/srv',
    '/var/lib',
    '/var/lib/docker/volumes/x',
    '/proc',
    '/sys/kernel',
    'boundary-0a1b2c3d-control',
  ]) {
    assert.throws(() => check(source), /would give the command .* every way around the boundary/, source);
  }
  for (const source of ['/home/me', '/srv/engine-2', '/var/library', 'cache', directory]) {
    assert.doesNotThrow(() => check(source), source);
  }
});

test('a link to the engine is the engine', () => {
  const forbidden = { socketPath: join(directory, 'real.sock'), rootDirectory: '/var/lib/docker' };
  const links = mkdtempSync(join(tmpdir(), 'boundary-test-'));
  after(() => rmSync(links, { recursive: true, force: true }));
  symlinkSync(directory, join(links, 'here'));
  const volume = { source: join(links, 'here'), target: '/t', readOnly: false };
  assert.throws(() => refuseEngine(volume, forbidden), /the engine's socket/);
});

test('a path becomes a bind mount, a name a volume', () => {
  assert.deepEqual(mountOf({ source: '/a', target: '/b', readOnly: true }), {
    Type: 'bind',
    Source: '/a',
    Target: '/b',
    ReadOnly: true,
  });
  assert.equal(mountOf({ source: 'a', target: '/b', readOnly: false }).Type, 'volume');
});
