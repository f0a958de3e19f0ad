import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { docker } from '../harness/docker-cli.ts';
import { localModule, openTemplate } from '../harness/template.ts';
import { ensureWorkspaceImage, WORKSPACE_IMAGE } from '../setup/workspace-image.ts';

const ROOT = join(import.meta.dirname, '../..');
const EPERM = 1;
const ENOSYS = 38;
const AF_VSOCK = 40;
/** By number, for x86_64: rt_sigreturn, clone, fork, vfork, exit, wait4, exit_group, waitid, clone3. */
const LEFT_OUT = [15, 56, 57, 58, 60, 61, 231, 247, 435];

interface Answers {
  readonly calls: Readonly<Record<string, number>>;
  readonly families: readonly number[];
}

describe('the seccomp profile of strict', () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-seccomp-'));
  const profile = join(directory, 'profile.json');
  let own: Answers;
  let engines: Answers;

  async function answers(...options: string[]): Promise<Answers> {
    const program = readFileSync(join(import.meta.dirname, 'system-calls.py'), 'utf8');
    const args = ['run', '--rm', '--interactive', '--user', '0', ...options, WORKSPACE_IMAGE];
    const python = ['python3', '-c', program, JSON.stringify(LEFT_OUT)];
    return JSON.parse(await docker([...args, ...python])) as Answers;
  }

  before(async () => {
    await ensureWorkspaceImage();
    const template = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: localModule(['strict = true']),
      addition: 'output "security_opts" {\n  value = module.boundary.security_opts\n}\n',
      environment: coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a04' }),
    });
    try {
      const plan = await template.plan();
      const options = plan.output_changes?.security_opts?.after as readonly string[];
      const [, text = ''] = options.map((option) => /^seccomp=(.*)$/s.exec(option)).find(Boolean) ?? [];
      writeFileSync(profile, text);
    } finally {
      template.close();
    }
    own = await answers('--security-opt', `seccomp=${profile}`);
    engines = await answers();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('leaves out AF_VSOCK, and every other family that needs no boundary to be crossed', () => {
    assert.deepEqual(own.families, [1, 2, 10, 16]);
    assert.equal(own.families.includes(AF_VSOCK), false);
  });

  it('refuses whatever the profile of the engine refuses', () => {
    const refused = (value: number | undefined): boolean => value === EPERM || value === ENOSYS;
    const numbers = Object.keys(engines.calls);
    assert.ok(numbers.length > 400, `${numbers.length} calls`);
    const laxer = numbers.filter((number) => refused(engines.calls[number]) && !refused(own.calls[number]));
    assert.deepEqual(laxer, []);
    const stricter = numbers.filter(
      (number) => !refused(engines.calls[number]) && refused(own.calls[number]),
    );
    process.stderr.write(`seccomp: ${stricter.length} calls are refused beyond the engine's profile\n`);
  });

  it('lets everyday programs work', async () => {
    const script = `set -e
      node -e 'new (require("node:worker_threads").Worker)("process.exit(0)", {eval: true}).on("exit", process.exit)'
      python3 -c 'import subprocess, threading; t = threading.Thread(target=subprocess.run, args=(["true"],)); t.start(); t.join()'
      git init -q /tmp/r && git -C /tmp/r -c user.name=x -c user.email=x@y commit -q --allow-empty -m x
      npm --version; tar -C /usr/share/doc -cf - . | gzip -1 >/dev/null; ssh -V; curl --version; setarch --uname-2.6 true
      socat -u OPEN:/etc/hostname UNIX-LISTEN:/tmp/s & sleep 0; ip link show lo; find / -xdev -type f -name 'a*' | head -1`;
    const args = [
      'run',
      '--rm',
      '--security-opt',
      `seccomp=${profile}`,
      '--security-opt',
      'no-new-privileges',
    ];
    const said = await docker([...args, WORKSPACE_IMAGE, 'bash', '-c', script]);
    assert.match(said, /LOOPBACK/);
  });
});
