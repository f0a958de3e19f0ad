import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { DIRECTORY, extraRules } from '../../scripts/local-workspace.ts';
import { collected, type Ended } from '../harness/boundary.ts';
import { docker, inspected, runDocker } from '../harness/docker-cli.ts';

const ROOT = join(import.meta.dirname, '../..');

function make(target: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const script = join(ROOT, `scripts/${target}.ts`);
  const options = { env: { ...process.env, ...env }, stdio: 'pipe' as const };
  return collected(spawn(process.execPath, [script], options), undefined).ended;
}

/** The host's address on Docker's bridge. Node lists no interface that nothing is plugged into, so ip(8) is asked. */
function bridgeAddress(): string {
  const listed = execFileSync('ip', ['-json', '-4', 'address', 'show', 'docker0'], { encoding: 'utf8' });
  const [bridge] = JSON.parse(listed) as { addr_info: { local: string }[] }[];
  const address = bridge?.addr_info[0]?.local;
  assert.ok(address !== undefined, `docker0 has no IPv4 address: ${listed}`);
  return address;
}

/** This one workspace has fixed names, so it is gone after this. */
describe('make docker-up and docker-down', () => {
  after(() => make('docker-down'));

  it('prints one line with the containers, which are healthy, and lets through what EXTRA_ALLOW adds', async () => {
    const server = createServer((_request, response) => response.end('upstream'));
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    try {
      const gateway = bridgeAddress();
      const url = `http://${gateway}:${(server.address() as AddressInfo).port}`;
      const { code, stdout, stderr } = await make('docker-up', { EXTRA_ALLOW: url.slice('http://'.length) });
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^\{.*\}\n$/);
      const names = JSON.parse(stdout) as Record<string, string>;
      assert.deepEqual(Object.keys(names), ['workspace', 'netns', 'gate', 'sidecar']);
      for (const name of Object.values(names))
        assert.equal(await inspected(name, '{{.State.Running}}'), 'true');
      for (const name of [names.gate ?? '', names.sidecar ?? '']) {
        assert.equal(await inspected(name, '{{.State.Health.Status}}'), 'healthy');
      }
      assert.match(stderr, /stand-in for the Coder agent/);
      const curl = ['exec', names.workspace ?? '', 'curl', '-sS', '--max-time', '10'];
      assert.equal((await runDocker([...curl, url])).stdout, 'upstream');
      assert.match((await runDocker([...curl, 'http://192.0.2.1/'])).stdout, /boundary denied this request/);
      assert.match((await runDocker([...curl, 'http://localhost:13380/'])).stdout, /<!doctype html>/i);
    } finally {
      server.close();
    }
  });

  it('fails with the reason where a rule cannot be read, and leaves the policy before it in force', async () => {
    const { code, stdout, stderr } = await make('docker-up', { EXTRA_ALLOW: 'domain=' });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /The policy was refused \(exit code 2\)/);
  });

  it('removes everything', async () => {
    assert.equal((await make('docker-down')).code, 0);
    for (const list of [
      ['ps', '--all'],
      ['volume', 'ls'],
      ['network', 'ls'],
    ]) {
      assert.equal(await docker([...list, '--quiet', '--filter', 'label=coder.owner=local']), '');
    }
    assert.equal(existsSync(DIRECTORY), false);
  });
});

describe('EXTRA_ALLOW', () => {
  it('holds one rule per line, or several with ; or , between them', () => {
    assert.deepEqual(extraRules('domain=a.example\n GET,HEAD b.example \n'), [
      'domain=a.example',
      'GET,HEAD b.example',
    ]);
    assert.deepEqual(extraRules('domain=a.example path=/x,/y; c.example'), [
      'domain=a.example path=/x,/y',
      'c.example',
    ]);
    assert.deepEqual(extraRules('domain=a.example,method=GET,HEAD domain=b.example'), [
      'domain=a.example',
      'method=GET,HEAD domain=b.example',
    ]);
    assert.deepEqual(extraRules(''), []);
  });
});
