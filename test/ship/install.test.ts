import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { createTestCa } from '../harness/test-ca.ts';
import { makeStubRelease, serveDirectory } from './stub-release.ts';

const NOBODY = 65_534;

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

describe('install.sh', () => {
  const ca = createTestCa();
  const base = mkdtempSync(join(tmpdir(), 'boundary-install-'));
  const release = join(base, 'release');
  const caFile = join(base, 'ca.pem');
  const installer = join(release, 'install.sh');
  let server: Awaited<ReturnType<typeof serveDirectory>>;
  let home = '';

  before(async () => {
    chmodSync(base, 0o755);
    writeFileSync(caFile, ca.caPem);
    server = await serveDirectory(release, ca);
  });
  after(() => {
    server.close();
    rmSync(base, { recursive: true });
  });
  beforeEach(() => {
    rmSync(release, { recursive: true, force: true });
    makeStubRelease(release, '1.2.3');
    home = mkdtempSync(join(base, 'home-'));
  });

  /** Runs a bash command line as a user who is not root. */
  async function bash(line: string, env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const root = process.getuid?.() === 0;
    if (root) chownSync(home, NOBODY, NOBODY);
    const child = spawn('bash', ['-o', 'pipefail', '-c', line], {
      env: { PATH: '/usr/bin:/bin', HOME: home, CURL_CA_BUNDLE: caFile, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: home,
      ...(root ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { code, output };
  }

  const pipe = (): string => `curl -fsSL ${server.url}/install.sh | BOUNDARY_BASE_URL=${server.url} bash`;
  const leftovers = (): string[] =>
    existsSync(join(home, '.local/lib'))
      ? readdirSync(join(home, '.local/lib')).filter((name) => name !== 'boundary')
      : [];

  function assertNothingInstalled(outcome: Outcome, message: RegExp): void {
    assert.equal(outcome.code, 1, outcome.output);
    assert.match(outcome.output, /^install\.sh: /m);
    assert.match(outcome.output, message);
    assert.equal(existsSync(join(home, '.local/bin/boundary')), false);
    assert.deepEqual(leftovers(), []);
  }

  it('installs through curl and a pipe, without root, and says what it did', async () => {
    const { code, output } = await bash(pipe());
    assert.equal(code, 0, output);
    assert.match(output, /boundary 1\.2\.3 is installed:/);
    assert.match(output, /\.local\/bin is not in your PATH/);
    const run = await bash('~/.local/bin/boundary --version; cd /; ~/.local/bin/boundary --version');
    assert.equal(run.output, 'boundary 1.2.3\nboundary 1.2.3\n');
    assert.deepEqual(leftovers(), []);
  });

  it('runs through a symbolic link', async () => {
    await bash(pipe());
    symlinkSync(join(home, '.local/bin/boundary'), join(home, 'link'));
    assert.equal((await bash('cd / && ~/link')).output, 'boundary 1.2.3\n');
  });

  it('says how to use and remove it, and takes no other option', async () => {
    const { code, output } = await bash(`bash ${installer} --help`);
    assert.equal(code, 0, output);
    assert.match(output, /Usage: bash install\.sh DIRECTORY[\s\S]*To remove boundary: rm -rf /);
    assertNothingInstalled(await bash(`bash ${installer} --uninstall`), /knows no option --uninstall/);
  });

  it('the command says when the current directory is gone', async () => {
    await bash(pipe());
    const { code, output } = await bash('mkdir gone && cd gone && rmdir ../gone && ~/.local/bin/boundary');
    assert.equal(code, 125, output);
    assert.match(output, /^boundary: the current directory is gone\. /m);
  });

  it('repeats safely and replaces an older version', async () => {
    assert.equal((await bash(pipe())).code, 0);
    const again = await bash(pipe());
    assert.equal(again.code, 0, again.output);
    makeStubRelease(release, '1.3.0');
    const newer = await bash(pipe());
    assert.match(newer.output, /boundary 1\.3\.0 is installed \(it replaces boundary 1\.2\.3\)/);
    assert.equal((await bash('~/.local/bin/boundary')).output, 'boundary 1.3.0\n');
    assert.deepEqual(leftovers(), []);
  });

  it('takes a version and a prefix', async () => {
    makeStubRelease(release, '2.0.0');
    const { code, output } = await bash(`bash ${installer} ${server.url}`, {
      BOUNDARY_VERSION: '2.0.0',
      BOUNDARY_PREFIX: join(home, 'tools'),
    });
    assert.equal(code, 0, output);
    assert.equal((await bash('~/tools/bin/boundary')).output, 'boundary 2.0.0\n');
  });

  it('takes a local directory', async () => {
    const { code, output } = await bash(`bash ${installer} ${release}`);
    assert.equal(code, 0, output);
    assert.equal((await bash('~/.local/bin/boundary')).output, 'boundary 1.2.3\n');
  });

  it('refuses an archive that is not what SHA256SUMS promises', async () => {
    for (const arch of ['amd64', 'arm64'])
      appendFileSync(join(release, `boundary-1.2.3-linux-${arch}.tar.gz`), 'x');
    assertNothingInstalled(await bash(pipe()), /not what SHA256SUMS promises.*Nothing was installed/s);
  });

  it('keeps the version that is there when a newer one fails', async () => {
    await bash(pipe());
    makeStubRelease(release, '1.3.0');
    for (const arch of ['amd64', 'arm64'])
      appendFileSync(join(release, `boundary-1.3.0-linux-${arch}.tar.gz`), 'x');
    assert.equal((await bash(pipe())).code, 1);
    assert.equal((await bash('~/.local/bin/boundary')).output, 'boundary 1.2.3\n');
  });

  const platforms = [
    { system: 'Darwin', machine: 'arm64', message: /no archive for Darwin/ },
    { system: 'Linux', machine: 'riscv64', message: /no archive for Linux on riscv64, only for amd64/ },
  ];
  for (const { system, machine, message } of platforms) {
    it(`refuses ${system} on ${machine}`, async () => {
      const tools = join(home, 'tools');
      mkdirSync(tools);
      const uname = `#!/bin/sh\ncase $1 in -s) echo ${system} ;; *) echo ${machine} ;; esac\n`;
      writeFileSync(join(tools, 'uname'), uname, { mode: 0o755 });
      const outcome = await bash(`bash ${installer} ${release}`, { PATH: `${tools}:/usr/bin:/bin` });
      assertNothingInstalled(outcome, message);
    });
  }

  const wrong: { name: string; line: () => string; env?: Record<string, string>; message: RegExp }[] = [
    {
      name: 'no source',
      line: () => `bash ${installer}`,
      message: /was not told where the archives are\. Set BOUNDARY_BASE_URL/,
    },
    {
      name: 'a missing directory',
      line: () => `bash ${installer} /nowhere`,
      message: /neither a directory nor an https address/,
    },
    {
      name: 'plain http',
      line: () => `bash ${installer} http://localhost/`,
      message: /is not an https address/,
    },
    { name: 'an empty directory', line: () => `bash ${installer} ${home}`, message: /holds no VERSION/ },
    {
      name: 'an address without archives',
      line: () => `bash ${installer} ${server.url}/no`,
      message: /could not be downloaded/,
    },
    {
      name: 'a version that is none',
      line: () => `bash ${installer} ${release}`,
      env: { BOUNDARY_VERSION: '../x' },
      message: /'\.\.\/x' is not a version/,
    },
    {
      name: 'a version that is not there',
      line: () => `bash ${installer} ${release}`,
      env: { BOUNDARY_VERSION: '9.9.9' },
      message: /SHA256SUMS does not list boundary-9\.9\.9/,
    },
    {
      name: 'a certificate that is not trusted',
      line: () => `bash ${installer} ${server.url}`,
      env: { CURL_CA_BUNDLE: '/etc/ssl/certs/ca-certificates.crt' },
      message: /could not be downloaded/,
    },
    {
      name: 'a prefix that cannot be written',
      line: () => `bash ${installer} ${release}`,
      env: { BOUNDARY_PREFIX: '/proc/boundary' },
      message: /cannot be written\. Set BOUNDARY_PREFIX/,
    },
  ];
  for (const { name, line, env, message } of wrong) {
    it(`fails clearly: ${name}`, async () => assertNothingInstalled(await bash(line(), env), message));
  }

  it('runs nothing of a script that was cut off on its way', async () => {
    const { output } = await bash(`head -c 4000 ${installer} | BOUNDARY_BASE_URL=${server.url} bash`);
    assert.equal(existsSync(join(home, '.local')), false, output);
  });
});
