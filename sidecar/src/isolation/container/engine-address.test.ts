import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { engineAddress } from './engine-address.ts';

const home = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(home, { recursive: true, force: true }));

/** Docker's configuration directory, with a context of each kind. */
const docker = join(home, '.docker');
for (const [name, host] of [
  ['rootless', 'unix:///run/user/1000/docker.sock'],
  ['remote', 'tcp://engine.example:2376'],
  ['over-ssh', 'ssh://me@engine.example'],
] as const) {
  const id = createHash('sha256').update(name).digest('hex');
  mkdirSync(join(docker, 'contexts', 'meta', id), { recursive: true });
  writeFileSync(
    join(docker, 'contexts', 'meta', id, 'meta.json'),
    JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } }),
  );
  if (name !== 'remote') continue;
  const certificates = join(docker, 'contexts', 'tls', id, 'docker');
  mkdirSync(certificates, { recursive: true });
  for (const file of ['ca', 'cert', 'key']) writeFileSync(join(certificates, `${file}.pem`), `the ${file}`);
}

test('without a word about it the engine is at the usual socket', () => {
  assert.deepEqual(engineAddress({ HOME: '/nowhere' }), {
    text: 'unix:///var/run/docker.sock',
    source: "Docker's default",
    endpoint: { socketPath: '/var/run/docker.sock' },
  });
});

test('DOCKER_HOST names a socket or an address, and beats a context', () => {
  const at = (DOCKER_HOST: string, more: NodeJS.ProcessEnv = {}) =>
    engineAddress({ HOME: home, DOCKER_CONTEXT: 'rootless', DOCKER_HOST, ...more }).endpoint;
  assert.deepEqual(at('unix:///tmp/d.sock'), { socketPath: '/tmp/d.sock' });
  assert.deepEqual(at('tcp://10.0.0.1'), { protocol: 'http', host: '10.0.0.1', port: 2375 });
  assert.deepEqual(at('engine.example:2375'), { protocol: 'http', host: 'engine.example', port: 2375 });
  assert.deepEqual(at('tcp://[::1]:99'), { protocol: 'http', host: '::1', port: 99 });
  assert.throws(() => at('tcp://'), /no engine's address; expected unix:\/\/\/PATH or tcp:\/\/HOST:PORT/);
  assert.throws(() => at('ftp://x'), /no engine's address/);
});

test('TLS comes with its certificates, and says which are missing', () => {
  const id = createHash('sha256').update('remote').digest('hex');
  const DOCKER_CERT_PATH = join(docker, 'contexts', 'tls', id, 'docker');
  const tls = { DOCKER_HOST: 'tcp://10.0.0.1:99', DOCKER_TLS_VERIFY: '1', HOME: home };
  assert.deepEqual(engineAddress({ ...tls, DOCKER_CERT_PATH }).endpoint, {
    protocol: 'https',
    host: '10.0.0.1',
    port: 99,
    ca: 'the ca',
    cert: 'the cert',
    key: 'the key',
  });
  assert.throws(() => engineAddress(tls), /expected ca\.pem, cert\.pem and key\.pem in .*\.docker/);
});

test('a context is followed, from DOCKER_CONTEXT or the configuration', () => {
  assert.deepEqual(engineAddress({ HOME: home, DOCKER_CONTEXT: 'rootless' }), {
    text: 'unix:///run/user/1000/docker.sock',
    source: 'the Docker context "rootless"',
    endpoint: { socketPath: '/run/user/1000/docker.sock' },
  });
  writeFileSync(join(docker, 'config.json'), JSON.stringify({ currentContext: 'remote' }));
  const { endpoint } = engineAddress({ HOME: home });
  assert.deepEqual(endpoint, {
    protocol: 'https',
    host: 'engine.example',
    port: 2376,
    ca: 'the ca',
    cert: 'the cert',
    key: 'the key',
  });
  assert.equal(engineAddress({ HOME: home, DOCKER_CONTEXT: 'default' }).text, 'unix:///var/run/docker.sock');
  assert.throws(
    () => engineAddress({ HOME: home, DOCKER_CONTEXT: 'gone' }),
    /"gone" cannot be read.*docker context ls/,
  );
});

test('an engine behind ssh is refused with the way to it', () => {
  const forward = /speaks to an engine over a unix socket or TCP; forward the socket \(ssh -nNT -L/;
  assert.throws(() => engineAddress({ DOCKER_HOST: 'ssh://me@host' }), forward);
  assert.throws(() => engineAddress({ HOME: home, DOCKER_CONTEXT: 'over-ssh' }), forward);
});
