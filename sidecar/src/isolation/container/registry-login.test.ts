import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { registryLogin, registryOf } from './registry-login.ts';

const home = mkdtempSync(join(tmpdir(), 'boundary-test-'));
after(() => rmSync(home, { recursive: true, force: true }));
mkdirSync(join(home, 'bin'));

/** A credential helper as Docker has them: it answers for one registry, and fails for others. */
writeFileSync(
  join(home, 'bin', 'docker-credential-test'),
  `#!/bin/sh
read -r registry || true
case "$1 $registry" in
  'get registry.example') echo '{"ServerURL":"registry.example","Username":"me","Secret":"from the helper"}' ;;
  'get token.example') echo '{"Username":"<token>","Secret":"identity"}' ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`,
);
chmodSync(join(home, 'bin', 'docker-credential-test'), 0o755);

function login(image: string, configuration: unknown) {
  writeFileSync(join(home, 'config.json'), JSON.stringify(configuration));
  return registryLogin(image, { DOCKER_CONFIG: home, PATH: `${join(home, 'bin')}:${process.env.PATH}` });
}

test('an image is from Docker Hub unless its name begins with a host', () => {
  const hub = 'https://index.docker.io/v1/';
  for (const image of ['debian', 'debian:12', 'coder/coder', 'docker.io/library/debian']) {
    assert.equal(registryOf(image), hub, image);
  }
  assert.equal(registryOf('ghcr.io/coder/boundary-sidecar:0.1.0'), 'ghcr.io');
  assert.equal(registryOf('localhost/x'), 'localhost');
  assert.equal(registryOf('registry:5000/x/y@sha256:00'), 'registry:5000');
});

test('a login is found where docker login left it', async () => {
  const auth = Buffer.from('me:a:password').toString('base64');
  const expected = { username: 'me', password: 'a:password', serveraddress: 'registry.example' };
  assert.deepEqual(await login('registry.example/x', { auths: { 'registry.example': { auth } } }), expected);
  assert.deepEqual(
    await login('registry.example/x', { auths: { 'https://registry.example/v1/': { auth } } }),
    expected,
  );
  assert.deepEqual(await login('x', { auths: { 'https://index.docker.io/v1/': { identitytoken: 't' } } }), {
    identitytoken: 't',
    serveraddress: 'https://index.docker.io/v1/',
  });
});

test('a credential helper is asked, and a registry that it does not know is used without a login', async () => {
  assert.deepEqual(await login('registry.example/x', { credsStore: 'test' }), {
    username: 'me',
    password: 'from the helper',
    serveraddress: 'registry.example',
  });
  assert.deepEqual(await login('token.example/x', { credHelpers: { 'token.example': 'test' } }), {
    identitytoken: 'identity',
    serveraddress: 'token.example',
  });
  assert.equal(await login('other.example/x', { credsStore: 'test' }), undefined);
});

test('whatever else the configuration holds, there is no login and no fault', async () => {
  for (const configuration of [
    null,
    [],
    {},
    { auths: 3 },
    { auths: { 'r.example': { auth: '' } } },
    { credsStore: '../x' },
    { credsStore: 'absent' },
  ]) {
    assert.equal(await login('r.example/x', configuration), undefined);
  }
  writeFileSync(join(home, 'config.json'), 'no JSON');
  assert.equal(await registryLogin('r.example/x', { DOCKER_CONFIG: home }), undefined);
});
