import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runBoundary, type Sidecar, startSidecar } from '../harness/boundary.ts';
import { localName } from '../harness/local-name.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';

const ca = createTestCa();
const { name, address } = await localName();
let upstream: Upstream;
let finishSlow = () => {};

before(async () => {
  upstream = await startUpstream({
    tls: { ca, hosts: [name] },
    host: '0.0.0.0',
    handler(request, response) {
      response.setHeader('Content-Type', 'text/plain');
      response.write('begun\n');
      if (request.url === '/slow') finishSlow = () => response.end('done\n');
      else response.end();
    },
  });
});
after(() => upstream.close());

/** A policy that allows the upstream, and more. */
function allowing(more = ''): string {
  return `allow:\n  - { domain: ${name}, port: ${upstream.port}, cidr: ${address}/32 }\n${more}`;
}

const closed = 'deny: [{ domain: "*" }]\n';

function start(policy: string, args: readonly string[] = []): Promise<Sidecar> {
  return startSidecar({ policy, upstreamCa: ca.caPem, args });
}

interface CurlResult {
  readonly code: number;
  readonly stdout: string;
}

function curl(sidecar: Sidecar, path: string, onOutput?: (text: string) => void): Promise<CurlResult> {
  const args = ['-sSN', '--cacert', sidecar.bundlePath, '-x', sidecar.proxyUrl, '-w', '%{http_code}'];
  const { promise, resolve } = Promise.withResolvers<CurlResult>();
  const child = execFile('curl', [...args, `https://${name}:${upstream.port}${path}`], (error, stdout) =>
    resolve({ code: error === null ? 0 : Number(error.code), stdout }),
  );
  if (onOutput !== undefined) child.stdout?.on('data', (chunk) => onOutput(String(chunk)));
  return promise;
}

/** A request whose answer has begun and goes on until `finishSlow`. */
async function openRequest(sidecar: Sidecar): Promise<{ result: Promise<CurlResult> }> {
  const begun = Promise.withResolvers<void>();
  const result = curl(sidecar, '/slow', (text) => text.includes('begun') && begun.resolve());
  await begun.promise;
  return { result };
}

describe('a sidecar', () => {
  test('serves, logs and measures', async () => {
    await using sidecar = await start(allowing());
    assert.deepEqual(await curl(sidecar, '/'), { code: 0, stdout: 'begun\n200' });
    const metrics = await (await fetch(`${sidecar.controlUrl}/metrics`)).text();
    assert.match(
      metrics,
      /boundary_decisions_total\{verdict="allow",protocol="https",method="GET",rule=".*:2"\} 1/,
    );
    const { code, stderr } = await sidecar.stop();
    assert.equal(code, 0, stderr);
    assert.match(stderr, /boundary: stopped; 1 request allowed, 0 denied\n$/);
    const [line] = sidecar.audit();
    assert.equal(line?.verdict, 'allow');
    assert.equal(line?.address, address);
    assert.equal(line?.status, 200);
  });

  test('keeps its key and its token to itself, and /v1 asks for the token', async () => {
    await using sidecar = await start(allowing());
    for (const file of ['ca-key.pem', 'control-token']) {
      assert.equal(statSync(join(sidecar.directory, 'ca', file)).mode & 0o777, 0o600, file);
    }
    assert.equal((await fetch(`${sidecar.controlUrl}/v1/policy`)).status, 401);
    const headers = { Authorization: `Bearer ${sidecar.token}` };
    const answer = await fetch(`${sidecar.controlUrl}/v1/policy`, { headers });
    const policy = (await answer.json()) as { rules: { line: number }[] };
    assert.deepEqual(
      policy.rules.map(({ line }) => line),
      [2],
    );
  });

  test('a second start signs with the same authority', async () => {
    await using first = await start(allowing());
    const ca1 = readFileSync(join(first.directory, 'ca/ca.pem'), 'utf8');
    const args = ['--config', first.policyPath, '--ca-dir', join(first.directory, 'ca')];
    await using second = await startSidecar({ policy: allowing(), args });
    assert.equal(readFileSync(join(first.directory, 'ca/ca.pem'), 'utf8'), ca1);
    const printed = await runBoundary(['ca', 'print', '--ca-dir', join(first.directory, 'ca')]);
    assert.equal(printed.stdout, ca1);
    assert.notEqual(second.proxyPort, first.proxyPort);
  });

  test('SIGHUP takes up an authority that was renewed', async () => {
    await using sidecar = await start(allowing());
    const renewed = await runBoundary(['ca', 'renew', '--ca-dir', join(sidecar.directory, 'ca')]);
    assert.equal(renewed.code, 0, renewed.stderr);
    const fingerprint = renewed.stdout.trim();
    assert.match(fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const printed = await runBoundary(['ca', 'fingerprint', '--ca-dir', join(sidecar.directory, 'ca')]);
    assert.equal(printed.stdout.split(' ')[0], fingerprint);
    assert.equal((await curl(sidecar, '/')).code, 60, 'it signs with the old one, which the bundle lacks');
    sidecar.process.kill('SIGHUP');
    await sidecar.said(/certificate authority replaced/);
    assert.equal(sidecar.stderr().includes(fingerprint), true);
    assert.equal((await curl(sidecar, '/')).stdout, 'begun\n200');
  });

  test('SIGTERM lets an open request end, takes no new one, and exits 0', async () => {
    await using sidecar = await start(allowing());
    const { result } = await openRequest(sidecar);
    sidecar.process.kill('SIGTERM');
    await sidecar.said(/boundary: stopping/);
    assert.equal((await curl(sidecar, '/')).code, 7, 'nothing listens any more');
    assert.equal((await fetch(`${sidecar.controlUrl}/readyz`)).status, 503);
    finishSlow();
    assert.deepEqual(await result, { code: 0, stdout: 'begun\ndone\n200' });
    assert.equal((await sidecar.ended).code, 0);
    assert.equal(sidecar.audit()[0]?.error, null);
  });

  test('kill -9 leaves nothing that lets anything through', async () => {
    await using sidecar = await start(allowing());
    sidecar.process.kill('SIGKILL');
    assert.equal((await sidecar.ended).signal, 'SIGKILL');
    assert.equal((await curl(sidecar, '/')).code, 7);
  });
});

describe('a reload', () => {
  test('that tightens the policy cuts the connections it would refuse', async () => {
    await using sidecar = await start(allowing());
    const { result } = await openRequest(sidecar);
    writeFileSync(sidecar.policyPath, allowing(closed));
    await sidecar.said(/boundary: policy reloaded; 2 rules/);
    const cut = await result;
    assert.notEqual(cut.code, 0, 'curl must see that the answer is not whole');
    assert.match(cut.stdout, /^begun\n/);
    assert.equal((await curl(sidecar, '/')).code, 56, 'the CONNECT is answered 403');
  });

  test('that leaves a connection allowed leaves it open', async () => {
    await using sidecar = await start(allowing());
    const { result } = await openRequest(sidecar);
    writeFileSync(sidecar.policyPath, allowing('  - other.example\n'));
    await sidecar.said(/boundary: policy reloaded; 2 rules/);
    finishSlow();
    assert.deepEqual(await result, { code: 0, stdout: 'begun\ndone\n200' });
  });

  test('with a fault is refused with its place, and the old policy stays', async () => {
    await using sidecar = await start(allowing());
    writeFileSync(sidecar.policyPath, 'allow:\n  - domian: github.com\n');
    await sidecar.said(
      /boundary\.yaml:2:5: .*Did you mean "domain"\?[^\n]*\nboundary: the new policy has faults/,
    );
    assert.equal((await curl(sidecar, '/')).stdout, 'begun\n200');
    const metrics = await (await fetch(`${sidecar.controlUrl}/metrics`)).text();
    assert.match(metrics, /boundary_policy_reloads_total\{result="refused"\} 1\n/);
    writeFileSync(sidecar.policyPath, allowing('  - other.example\n'));
    await sidecar.said(/boundary: policy reloaded; 2 rules/);
  });

  test('is refused where the file goes away, or asks for what a sidecar cannot enforce', async () => {
    await using sidecar = await start(allowing());
    writeFileSync(sidecar.policyPath, allowing('files: { read: [/usr] }\n'));
    await sidecar.said(/`files`, which bind processes .*; the policy that was in force stays/);
    rmSync(sidecar.policyPath);
    await sidecar.said(/there is no such file.*\nboundary: the new policy has faults/);
    assert.equal((await curl(sidecar, '/')).stdout, 'begun\n200');
  });

  test('follows a rename over the file, as editors do', async () => {
    await using sidecar = await start(allowing());
    const next = `${sidecar.policyPath}.next`;
    for (const count of [2, 3]) {
      writeFileSync(next, allowing('  - other.example\n'.repeat(count - 1)));
      renameSync(next, sidecar.policyPath);
      await sidecar.said(new RegExp(`policy reloaded; ${count} rules`));
    }
  });

  test('follows the link that Kubernetes swaps when a ConfigMap changes', async () => {
    await using holder = await start(allowing());
    const mount = join(holder.directory, 'mount');
    const revision = (number: number, policy: string) => {
      mkdirSync(join(mount, `..${number}`), { recursive: true });
      writeFileSync(join(mount, `..${number}`, 'boundary.yaml'), policy);
      symlinkSync(`..${number}`, join(mount, '..data_tmp'));
      renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    revision(1, allowing());
    symlinkSync('..data/boundary.yaml', join(mount, 'boundary.yaml'));
    await using sidecar = await start('', ['--config', join(mount, 'boundary.yaml')]);
    for (const number of [2, 3]) {
      revision(number, allowing('  - other.example\n'.repeat(number)));
      rmSync(join(mount, `..${number - 1}`), { recursive: true });
      await sidecar.said(new RegExp(`policy reloaded; ${number + 1} rules`));
    }
  });

  test('is refused where it names another way out, which would leave addresses unjudged', async () => {
    await using sidecar = await start(`upstream_proxy: http://127.0.0.1:9\nallow: [github.com]\n`);
    writeFileSync(sidecar.policyPath, allowing());
    await sidecar.said(/`upstream_proxy` changed, which takes a restart; the policy that was in force stays/);
  });

  test('SIGHUP reloads also where the file is the same', async () => {
    await using sidecar = await start(allowing());
    sidecar.process.kill('SIGHUP');
    await sidecar.said(/policy reloaded; 1 rule,/);
  });
});

describe('a start that cannot be', () => {
  test('a taken port is said, and nothing is left listening', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const place = other.address();
    assert.ok(typeof place === 'object' && place !== null);
    await using holder = await start(allowing());
    const base = ['sidecar', '--config', holder.policyPath, '--ca-dir', join(holder.directory, 'ca')];
    for (const [flag, free] of [
      ['--listen', '--control'],
      ['--control', '--listen'],
    ] as const) {
      const args = [...base, flag, `127.0.0.1:${place.port}`, free, '127.0.0.1:0'];
      const { code, stderr } = await runBoundary(args);
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`cannot listen on 127\\.0\\.0\\.1:${place.port}: something else already does.*${flag}`),
      );
      assert.doesNotMatch(stderr, /boundary: ready/);
    }
    other.close();
  });

  test('a control listener for other machines, a readable token, a readable key are refused', async () => {
    await using holder = await start(allowing());
    const path = (file: string) => join(holder.directory, file);
    const base = ['sidecar', '--config', holder.policyPath, '--listen', '127.0.0.1:0'];
    const own = ['--ca-dir', path('other'), '--control', '127.0.0.1:0'];
    writeFileSync(path('open-token'), 'x'.repeat(32), { mode: 0o644 });
    writeFileSync(path('short-token'), 'abc', { mode: 0o600 });
    mkdirSync(path('loose'));
    writeFileSync(path('loose/ca-key.pem'), readFileSync(path('ca/ca-key.pem')), { mode: 0o644 });
    for (const [args, says] of [
      [['--ca-dir', path('other'), '--control', '0.0.0.0:0'], /other machines may reach/],
      [[...own, '--control-token-file', path('open-token')], /everybody can read it; run: chmod o= /],
      [[...own, '--control-token-file', path('short-token')], /at least 16 printable characters/],
      [[...own, '--control-token-file', path('absent')], /check the path given to --control-token-file/],
      [['--ca-dir', path('loose'), '--control', '127.0.0.1:0'], /ca-key\.pem/],
    ] as const) {
      const { code, stderr } = await runBoundary([...base, ...args]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /^ {4}at /m);
    }
  });
});
