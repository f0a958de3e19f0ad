import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { collected, type Ended } from '../harness/boundary.ts';

const DOCTOR = join(import.meta.dirname, '../../scripts/doctor.sh');
const STRICT = {
  CODER_AGENT_BLOCK_FILE_TRANSFER: 'true',
  CODER_AGENT_BLOCK_REVERSE_PORT_FORWARDING: 'true',
  CODER_AGENT_BLOCK_LOCAL_PORT_FORWARDING: 'true',
};

describe('scripts/doctor.sh', () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-doctor-'));
  const trust = join(directory, 'trust');
  const engine = createSocketServer();

  before(async () => {
    mkdirSync(trust);
    mkdirSync(join(directory, 'run'));
    writeFileSync(join(trust, 'bundle.pem'), '-----BEGIN CERTIFICATE-----\n');
    engine.listen(join(directory, 'run/docker.sock'));
    await once(engine, 'listening');
  });
  after(() => {
    engine.close();
    rmSync(directory, { recursive: true });
  });

  /** Runs it in network and mount namespaces of its own, after `setup` there, with what setpriv takes away. */
  function examined(options: {
    readonly setup?: string;
    readonly privileges?: readonly string[];
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly shell?: string;
  }): Promise<Ended> {
    // A new sysfs shows the interfaces of the new namespace.
    const script = `mount -t sysfs none /sys; ${options.setup ?? ':'}; exec setpriv "$@"`;
    const privileges = options.privileges ?? ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
    const doctor = [options.shell ?? 'sh', DOCTOR, ...(options.args ?? [])];
    const env = { PATH: process.env.PATH, BOUNDARY_TRUST_DIR: trust, ...STRICT, ...options.env };
    const args = ['--net', '--mount', 'sh', '-c', script, 'sh', ...privileges, ...doctor];
    return collected(spawn('unshare', args, { env, stdio: ['pipe', 'pipe', 'pipe'] }), undefined).ended;
  }
  const readOnlyTrust = `mount --bind ${trust} ${trust} && mount -o remount,bind,ro ${trust}`;
  const stateOf = ({ stdout }: Ended, check: string): string | undefined =>
    stdout.split('\n').find((line) => line.split(' ')[1] === check);

  for (const shell of ['dash', 'bash']) {
    it(`finds nothing where nothing is open (${shell})`, async () => {
      const ended = await examined({ setup: readOnlyTrust, shell });
      const found = ended.stdout
        .split('\n')
        .filter((line) => line.startsWith('found') && !/vsock/.test(line));
      assert.deepEqual(found, []);
      assert.equal(ended.stderr, '');
      for (const check of ['docker_socket', 'extra_interfaces', 'trust_bundle', 'capabilities']) {
        assert.equal(stateOf(ended, check), `ok ${check}`);
      }
    });
  }

  const cases: {
    readonly name: string;
    readonly check: string;
    readonly says: RegExp;
    readonly with: Parameters<typeof examined>[0];
  }[] = [
    {
      name: "the engine's socket under another name",
      check: 'docker_socket',
      says: /\/hidden reaches a container engine/,
      with: {
        setup: `touch ${directory}/hidden; mount --bind ${directory}/run/docker.sock ${directory}/hidden`,
      },
    },
    {
      name: "the engine's socket in a directory that is mounted, with a blank in its name",
      check: 'docker_socket',
      says: /a host\/docker\.sock reaches/,
      with: { setup: `mkdir -p '${directory}/a host'; mount --bind ${directory}/run '${directory}/a host'` },
    },
    {
      name: 'an interface that is up',
      check: 'extra_interfaces',
      says: /eth7 leads past the boundary; set network_mode/,
      with: { setup: 'ip link add eth7 type veth peer name eth8 && ip link set eth7 up' },
    },
    {
      name: 'capabilities that root may have',
      check: 'capabilities',
      says: /NET_RAW.*drop them/,
      with: { privileges: ['--no-new-privs', '--bounding-set=+net_raw'] },
    },
    {
      name: 'setuid programs that work',
      check: 'new_privileges',
      says: /security_opts = module\.boundary\.security_opts/,
      with: { privileges: ['--bounding-set=-all', '--inh-caps=-all'] },
    },
    {
      name: 'a bundle that is not mounted',
      check: 'trust_bundle',
      says: /mounts block for module\.boundary\.mounts/,
      with: { env: { BOUNDARY_TRUST_DIR: '/nonexistent' } },
    },
    {
      name: 'a bundle that can be written',
      check: 'trust_bundle',
      says: /can be written/,
      with: {},
    },
    {
      name: 'file transfer that is not blocked',
      check: 'file_transfer',
      says: /module\.boundary\.env/,
      with: { env: { CODER_AGENT_BLOCK_FILE_TRANSFER: 'false' } },
    },
    {
      name: 'one direction of port forwarding that is not blocked',
      check: 'port_forwarding',
      says: /module\.boundary\.env/,
      with: { env: { CODER_AGENT_BLOCK_LOCAL_PORT_FORWARDING: '' } },
    },
  ];
  for (const { name, check, says, with: options } of cases) {
    it(`finds ${name}, and says what to do`, async () => {
      const ended = await examined(options);
      assert.equal(ended.code, 1);
      const line = stateOf(ended, check) ?? '';
      assert.match(line, new RegExp(`^found ${check} `));
      assert.match(line, says);
    });
  }

  it('prints one object on demand, and exits by what it found', async () => {
    const { code, stdout } = await examined({ args: ['--json'], setup: readOnlyTrust });
    const { findings } = JSON.parse(stdout) as { findings: Record<string, boolean> };
    assert.equal(findings.docker_socket, false);
    assert.equal(Object.keys(findings).length, 8);
    assert.equal(code, Object.values(findings).some((found) => found) ? 1 : 0);
  });

  it('refuses arguments that it does not know', async () => {
    const { code, stderr } = await examined({ args: ['--jsn'] });
    assert.equal(code, 2);
    assert.match(stderr, /unknown argument --jsn; it takes --json and --report URL/);
  });

  // What is left of PATH decides which program posts the report.
  for (const client of ['curl', 'wget', 'bash']) {
    it(`reports with ${client} alone, past any proxy`, async () => {
      const posted: { readonly type: string | undefined; readonly url: string | undefined; body: string }[] =
        [];
      const server = createServer(async (request, response) => {
        posted.push({ type: request.headers['content-type'], url: request.url, body: await text(request) });
        response.writeHead(204).end();
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const programs = join(directory, `only-${client}`);
      mkdirSync(programs);
      const linked = [client, 'sh', 'cat', 'grep', 'sort', 'tr', 'perl'];
      const link = `for name in ${linked.join(' ')}; do ln -s "$(command -v $name)" ${programs}/$name; done`;
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/doctor`;
      const env = { PATH: programs, BOUNDARY_TRUST_DIR: trust, http_proxy: 'http://127.0.0.1:1' };
      const linking = spawn('sh', ['-c', link]);
      await once(linking, 'close');
      const child = spawn(join(programs, 'sh'), [DOCTOR, '--report', url], {
        env,
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const { stderr } = await collected(child, undefined).ended;
      server.close();
      assert.equal(stderr, '');
      assert.equal(posted.length, 1);
      assert.equal(posted[0]?.url, '/v1/doctor');
      assert.equal(posted[0]?.type, 'application/json');
      const body = JSON.parse(posted[0]?.body ?? '') as { findings: Record<string, boolean> };
      assert.equal(body.findings.file_transfer, true);
    });
  }

  it('says so where the report is not taken', async () => {
    const { stderr } = await examined({ args: ['--report', 'http://127.0.0.1:1/v1/doctor'] });
    assert.match(stderr, /did not take the findings; the metrics show none of them/);
  });
});
