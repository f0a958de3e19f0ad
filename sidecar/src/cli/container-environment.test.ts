import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientTrustIn } from './client-trust.ts';
import { commandEnvironment, secretsOf } from './container-environment.ts';

function environment(ofImage: readonly string[], asked: readonly string[], terminal = false) {
  const env = { TERM: 'xterm-256color', TOKEN: 'a=b', http_proxy: 'http://proxy.example', SECRET: 's' };
  const list = commandEnvironment({
    ofImage,
    asked,
    trust: clientTrustIn('/run/boundary/trust'),
    terminal,
    env,
  });
  return Object.fromEntries(list.map((text) => text.split(/=(.*)/s, 2)));
}

test('a command trusts the boundary and gets nothing of this machine unasked', () => {
  const found = environment(['PATH=/bin'], []);
  assert.equal(found.SSL_CERT_FILE, '/run/boundary/trust/bundle.pem');
  assert.equal(found.DENO_CERT, '/run/boundary/trust/ca.pem');
  assert.match(found.JAVA_TOOL_OPTIONS, /trustStore=\/run\/boundary\/trust\/truststore\.jks /);
  for (const name of ['PATH', 'TERM', 'SECRET', 'http_proxy', 'HTTP_PROXY'])
    assert.equal(found[name], undefined);
});

test('what the image sets is added to, or emptied where it would leave the bundle unread', () => {
  const found = environment(['JAVA_TOOL_OPTIONS=-Xmx1g', 'SSL_CERT_DIR=/certificates'], []);
  assert.match(found.JAVA_TOOL_OPTIONS, /^-Xmx1g -Djavax/);
  assert.equal(found.SSL_CERT_DIR, '');
});

test('--env sets a variable, or hands one on that is there, and beats the rest', () => {
  const found = environment([], ['A=1=2', 'TOKEN', 'ABSENT', 'SSL_CERT_FILE=/mine', 'EMPTY=']);
  assert.equal(found.A, '1=2');
  assert.equal(found.TOKEN, 'a=b');
  assert.equal('ABSENT' in found, false);
  assert.equal(found.SSL_CERT_FILE, '/mine');
  assert.equal(found.EMPTY, '');
  assert.throws(() => environment([], ['=x']), /names no variable; expected NAME=VALUE/);
});

test('a terminal comes with its kind', () => {
  assert.equal(environment([], [], true).TERM, 'xterm-256color');
  assert.equal(environment([], ['TERM=dumb'], true).TERM, 'dumb');
});

test('values of injected headers come along, from variables alone', () => {
  const env = { TOKEN: 'x', OTHER: 'y' };
  const policy = `allow:
# \${file:/commented/out}
  - { inject: { A: "\${env:TOKEN}", B: "\${env:GONE}" } }`;
  assert.deepEqual(secretsOf(policy, env), { TOKEN: 'x' });
  assert.throws(
    () => secretsOf(`inject: { A: "\${file:/etc/key}" }`, env),
    /\$\{file:\/etc\/key\}.*write \$\{env:NAME\}/,
  );
});
