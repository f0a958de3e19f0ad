import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientEnvironment, trustVariables, wgetConfiguration } from './client-environment.ts';

const OPTIONS = {
  proxyUrl: 'http://127.0.0.1:4711',
  bundlePath: '/run/b/bundle.pem',
  caPath: '/run/b/ca.pem',
  javaTrustStore: { path: '/run/b c/trust.jks', password: 'changeit' },
  wgetConfigurationPath: '/run/b/wgetrc',
};

test('a proxy is named in both cases, and nothing but loopback goes around it', () => {
  const env = clientEnvironment({
    ...OPTIONS,
    base: { NO_PROXY: '*', no_proxy: '*', HTTPS_PROXY: 'direct' },
  });
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY']) {
    assert.equal(env[name], 'http://127.0.0.1:4711', name);
  }
  assert.equal(env.NO_PROXY, 'localhost,127.0.0.1,::1');
  assert.equal(env.no_proxy, env.NO_PROXY);
});

test("tools get the bundle, but Deno, which adds to the system's roots, the CA", () => {
  const env = clientEnvironment({
    ...OPTIONS,
    base: { SSL_CERT_DIR: '/x', SSL_CERT_FILE: '/y', HOME: '/home/a' },
  });
  assert.equal(env.SSL_CERT_FILE, '/run/b/bundle.pem');
  assert.equal(env.GIT_SSL_CAINFO, '/run/b/bundle.pem');
  // What is passed unopened may be signed by a CA that only the machine's roots hold.
  assert.equal(env.NODE_EXTRA_CA_CERTS, '/run/b/bundle.pem');
  assert.equal(env.DENO_CERT, '/run/b/ca.pem');
  assert.equal('SSL_CERT_DIR' in env, false);
  assert.equal(env.HOME, '/home/a');
});

test('Java keeps its options and gets a proxy and a trust store', () => {
  const env = clientEnvironment({ ...OPTIONS, base: { JAVA_TOOL_OPTIONS: '-Xmx1g' } });
  assert.match(env.JAVA_TOOL_OPTIONS ?? '', /^-Xmx1g -Dhttp\.proxyHost=127\.0\.0\.1 -Dhttp\.proxyPort=4711 /);
  assert.match(env.JAVA_TOOL_OPTIONS ?? '', / "-Djavax\.net\.ssl\.trustStore=\/run\/b c\/trust\.jks" /);
  const without = clientEnvironment({ ...OPTIONS, javaTrustStore: null, base: {} });
  assert.doesNotMatch(without.JAVA_TOOL_OPTIONS ?? '', /trustStore/);
});

test('wget is told by a file that keeps what the system says', () => {
  const env = clientEnvironment({ ...OPTIONS, base: {} });
  assert.equal(env.SYSTEM_WGETRC, '/run/b/wgetrc');
  assert.equal(wgetConfiguration('/b.pem', 'tries = 3'), 'tries = 3\nca_certificate = /b.pem\n');
});

test('behind a network of the boundary there is no proxy to name', () => {
  const env = trustVariables(OPTIONS, { JAVA_TOOL_OPTIONS: '-Xmx1g' });
  assert.equal(env.SSL_CERT_FILE, '/run/b/bundle.pem');
  assert.equal(
    env.JAVA_TOOL_OPTIONS,
    '-Xmx1g "-Djavax.net.ssl.trustStore=/run/b c/trust.jks" -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit',
  );
  assert.deepEqual(
    Object.keys(env).filter((name) => /proxy/i.test(name)),
    [],
  );
});
