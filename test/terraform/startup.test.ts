import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { collected, type Ended } from '../harness/boundary.ts';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, openTemplate, type Template } from '../harness/template.ts';

const ROOT = join(import.meta.dirname, '../..');

/** What answers as the boundary's view does: healthy, and takes a report. Prints each request; ends with its input. */
const VIEW = `
const { createServer } = require('node:http');
createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => (body += chunk));
  request.on('end', () => {
    require('node:fs').appendFileSync(process.argv[1], request.method + ' ' + request.url + ' ' + body + '\\n');
    response.writeHead(request.method === 'POST' ? 204 : 200).end();
  });
}).listen(80, '127.0.0.1', () => process.stdout.write('listening\\n'));
`;

describe('scripts/startup.sh.tftpl', () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-startup-'));
  const path = (name: string): string => join(directory, name);
  let template: Template;
  const scripts: Record<'plain' | 'strict', string> = { plain: '', strict: '' };

  before(async () => {
    template = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: localModule(['startup_timeout = 2', 'strict = var.strict']),
      addition: 'variable "strict" {\n  type = bool\n}\n',
      environment: {
        ...coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a03' }),
        DOCKER_HOST: 'unix:///nonexistent/docker.sock',
      },
    });
    for (const strict of [false, true]) {
      const plan = await template.plan(`-var=strict=${strict}`);
      const script = plan.resource_changes.find(({ address }) => address.endsWith('coder_script.startup[0]'));
      scripts[strict ? 'strict' : 'plain'] = String(script?.change.after?.script);
    }
    mkdirSync(path('trust'));
    for (const name of ['ca.pem', 'bundle.pem']) {
      writeFileSync(path(`trust/${name}`), '-----BEGIN CERTIFICATE-----\n');
    }
    for (const name of ['layer', 'home']) mkdirSync(path(name));
    chmodSync(directory, 0o755);
    writeFileSync(path('view.cjs'), VIEW);
    // Stands in for a distribution's tool; says that it was called.
    writeFileSync(path('update'), `#!/bin/sh\necho updated >>${path('updated')}\n`);
    chmodSync(path('update'), 0o755);
  });
  after(() => {
    template?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  interface Situation {
    /** Shell commands in namespaces of their own, before the script. */
    readonly setup?: string;
    readonly view?: boolean;
    readonly strict?: boolean;
    readonly user?: string;
  }

  /** Runs the script as an agent would, in network and mount namespaces of its own. */
  function started({ setup = ':', view = true, strict = false, user }: Situation): Promise<Ended> {
    for (const name of ['updated', 'requests']) rmSync(path(name), { force: true });
    const script = scripts[strict ? 'strict' : 'plain'].replace('/run/boundary/trust', path('trust'));
    const serve = view
      ? `${process.execPath} -e "$(cat ${path('view.cjs')})" ${path('requests')} >${path('ready')} & view=$!
         until grep -q listening ${path('ready')}; do :; done`
      : 'view=';
    const as = user === undefined ? '' : `setpriv --reuid ${user} --clear-groups`;
    const inside = `set -e
      ip link set lo up
      mount -t sysfs none /sys
      # What is written to these goes with the namespace.
      mount -t tmpfs none ${path('layer')}
      for place in /etc /usr/local; do
        upper=${path('layer')}/$(basename $place)
        mkdir $upper $upper.work
        mount -t overlay none -o lowerdir=$place,upperdir=$upper,workdir=$upper.work $place
      done
      echo '127.0.0.1 localhost boundary.internal' >/etc/hosts
      : >${path('ready')}
      ${setup}
      ${serve}
      status=0
      ${as} /bin/sh -c "$1" || status=$?
      find /etc /usr/local -name boundary.crt
      [ -z "$view" ] || kill $view
      exit $status`;
    const env = { PATH: process.env.PATH, HOME: path('home') };
    const args = ['--net', '--mount', 'sh', '-c', inside, 'sh', script];
    return collected(spawn('unshare', args, { env, stdio: ['pipe', 'pipe', 'pipe'] }), undefined).ended;
  }
  /** Puts the recording tool in the place of one of Debian's. */
  const recorded = (name: string): string => `mount --bind ${path('update')} /usr/sbin/${name}`;
  const without = (name: string): string => `mount --bind /dev/null /usr/sbin/${name}`;

  it('waits, gives up in time and says where to look', async () => {
    const before = performance.now();
    const { code, stderr, stdout } = await started({ view: false });
    assert.equal(code, 1, stdout);
    assert.match(stderr, /boundary\.internal\/healthz did not answer within 2 seconds/);
    assert.match(stderr, /network_mode = module\.boundary\.network_mode/);
    assert.ok(performance.now() - before < 15_000);
  });

  const systems = [
    {
      name: 'Debian and Alpine',
      setup: recorded('update-ca-certificates'),
      file: '/usr/local/share/ca-certificates/boundary.crt',
    },
    {
      name: 'SUSE',
      setup: `${recorded('update-ca-certificates')}; mkdir -p /etc/pki/trust/anchors`,
      file: '/etc/pki/trust/anchors/boundary.crt',
    },
    {
      name: 'Fedora',
      setup: `${without('update-ca-certificates')}; cp ${path('update')} /usr/local/sbin/update-ca-trust
              mkdir -p /etc/pki/ca-trust/source/anchors`,
      file: '/etc/pki/ca-trust/source/anchors/boundary.crt',
    },
    {
      name: 'Arch',
      setup: `${without('update-ca-certificates')}; cp ${path('update')} /usr/local/sbin/update-ca-trust`,
      file: '/etc/ca-certificates/trust-source/anchors/boundary.crt',
    },
  ];
  for (const { name, setup, file } of systems) {
    it(`installs the CA where ${name} keep it`, async () => {
      const ended = await started({ setup });
      assert.equal(ended.code, 0, ended.stderr);
      assert.match(ended.stdout, /^boundary: the system trusts the CA of the boundary$/m);
      assert.ok(ended.stdout.split('\n').includes(file), ended.stdout);
      assert.equal(readFileSync(path('updated'), 'utf8'), 'updated\n');
    });
  }

  it('leaves a store alone that has the CA already', async () => {
    const there = `cp ${path('trust/ca.pem')} /usr/local/share/ca-certificates/boundary.crt`;
    const { code, stdout } = await started({ setup: `${recorded('update-ca-certificates')}; ${there}` });
    assert.equal(code, 0);
    assert.match(stdout, /the system trusts the CA of the boundary already/);
    assert.equal(existsSync(path('updated')), false);
  });

  it('says what follows where there is no such tool, or no right to use it', async () => {
    const none = await started({ setup: without('update-ca-certificates') });
    assert.equal(none.code, 0, none.stderr);
    assert.match(
      none.stdout,
      /neither update-ca-certificates nor update-ca-trust.*ca-certificates in the image/,
    );
    const unprivileged = await started({ setup: recorded('update-ca-certificates'), user: '65534' });
    assert.equal(unprivileged.code, 0, unprivileged.stderr);
    assert.match(unprivileged.stdout, /takes root, or sudo without a password/);
    assert.equal(existsSync(path('updated')), false);
  });

  it('tells what is open: with strict each with what to do, else in one line', async () => {
    const setup = recorded('update-ca-certificates');
    const strict = await started({ setup, strict: true });
    assert.match(strict.stdout, /^boundary: FOUND file_transfer: .*module\.boundary\.env/m);
    assert.match(strict.stdout, /^boundary: FOUND capabilities: /m);
    const plain = await started({ setup });
    assert.match(plain.stdout, /^boundary: not closed, since strict is not set:.* file_transfer/m);
    assert.doesNotMatch(plain.stdout, /FOUND (file_transfer|capabilities)/);
    // These never wait for strict.
    assert.match(plain.stdout, /^boundary: FOUND trust_bundle: .*can be written/m);
  });

  it('reports once, and leaves nothing behind in the home', async () => {
    await started({ setup: recorded('update-ca-certificates') });
    const requests = readFileSync(path('requests'), 'utf8').trim().split('\n');
    const posts = requests.filter((request) => request.startsWith('POST '));
    assert.equal(posts.length, 1);
    assert.match(posts[0] ?? '', /^POST \/v1\/doctor \{"findings":\{"docker_socket":false,/);
    assert.deepEqual(readdirSync(path('home')), []);
  });

  it('tells other scripts that it is done, also where it failed', async () => {
    const coder = `printf '#!/bin/sh\\necho "$@" >>${path('updated')}\\n' >/usr/local/bin/coder; chmod +x /usr/local/bin/coder`;
    for (const view of [true, false]) {
      await started({ setup: `${coder}; ${without('update-ca-certificates')}`, view });
      assert.deepEqual(readFileSync(path('updated'), 'utf8').trim().split('\n'), [
        'exp sync start coder-boundary-startup_script',
        'exp sync complete coder-boundary-startup_script',
      ]);
    }
  });
});
