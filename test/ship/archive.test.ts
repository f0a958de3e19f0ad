import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const RELEASE = join(ROOT, 'dist/release');

describe('the archives of make build-all', () => {
  const home = mkdtempSync(join(tmpdir(), 'boundary-archive-'));
  const buildAll = () => execute(process.execPath, [join(ROOT, 'scripts/build-all.ts')], { cwd: ROOT });
  const boundary = join(home, '.local/bin/boundary');
  /** What the launcher needs and nothing else: no Node, no npm. */
  const tools = join(home, 'tools');
  const bare = { PATH: tools, HOME: home };

  before(async () => {
    mkdirSync(tools);
    for (const name of ['sh', 'readlink']) symlinkSync(join('/usr/bin', name), join(tools, name));
    await buildAll();
    const installer = join(RELEASE, 'install.sh');
    await execute('bash', [installer, RELEASE], { env: { PATH: '/usr/bin:/bin', HOME: home } });
  });
  after(() => rmSync(home, { recursive: true }));

  it('carry both platforms, with the sums that SHA256SUMS promises', async () => {
    const lines = readFileSync(join(RELEASE, 'SHA256SUMS'), 'utf8').trim().split('\n');
    assert.equal(lines.length, 2);
    for (const line of lines) {
      const [sum, name = ''] = line.split('  ', 2);
      assert.match(name, /^boundary-\d+\.\d+\.\d+-linux-(amd64|arm64)\.tar\.gz$/);
      assert.equal(
        createHash('sha256')
          .update(readFileSync(join(RELEASE, name)))
          .digest('hex'),
        sum,
      );
      const { stdout } = await execute('tar', ['-tzf', join(RELEASE, name)]);
      for (const path of ['bin/boundary', 'lib/boundary/node', 'lib/boundary/src/cli/main.js', 'LICENSE']) {
        assert.ok(stdout.includes(`/${path}\n`), `${name} lacks ${path}`);
      }
      const native = stdout.split('\n').filter((path) => path.endsWith('/koffi.node'));
      const processor = name.includes('arm64') ? 'linux_arm64' : 'linux_x64';
      assert.deepEqual(
        native.map((path) => path.split('/').at(-2)),
        [processor],
      );
    }
    const machine = join(home, 'arm64-node');
    const arm =
      lines.map((line) => line.split('  ', 2)[1] ?? '').find((name) => name.includes('arm64')) ?? '';
    const inside = `${arm.replace('.tar.gz', '')}/lib/boundary/node`;
    await execute('sh', [
      '-c',
      `tar -xzOf "$1" "$2" | head -c 20 > "$3"`,
      'sh',
      join(RELEASE, arm),
      inside,
      machine,
    ]);
    // e_machine of the ELF header: 183 is EM_AARCH64.
    assert.equal(readFileSync(machine).readUInt16LE(18), 183);
  });

  it('carry the licence of every package that is in the bundle', () => {
    const installed = join(home, '.local/lib/boundary');
    const licences = readFileSync(join(installed, 'THIRD-PARTY-LICENCES'), 'utf8');
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const name of Object.keys(dependencies)) {
      assert.match(licences, new RegExp(`^${name.replaceAll('.', '\\.')} \\d`, 'm'));
    }
    assert.match(licences, /Permission is hereby granted, free of charge/);
  });

  it('are the same bytes again', async () => {
    const sums = readFileSync(join(RELEASE, 'SHA256SUMS'), 'utf8');
    await buildAll();
    assert.equal(readFileSync(join(RELEASE, 'SHA256SUMS'), 'utf8'), sums);
  });

  it('run without npm and Node', async () => {
    const shown = await execute(boundary, ['--version'], { env: bare, cwd: '/' });
    const manifest = JSON.parse(readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8')) as {
      version: string;
    };
    assert.match(shown.stdout, new RegExp(`^boundary ${manifest.version.replaceAll('.', '\\.')}\\b`));
  });

  it('find their presets', async () => {
    const config = join(home, 'policy.yaml');
    writeFileSync(config, 'allow:\n  - preset: npm\n');
    const arguments_ = [
      'explain',
      '--config',
      config,
      '--json',
      'GET',
      'https://registry.npmjs.org/left-pad',
    ];
    const { stdout } = await execute(boundary, arguments_, { env: bare, cwd: '/' });
    assert.equal((JSON.parse(stdout) as { verdict: string }).verdict, 'allow');
  });
});
