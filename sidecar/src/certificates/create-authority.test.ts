import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket, TLSSocket as TlsSocket } from 'node:tls';
import { promisify } from 'node:util';
import { encodeLeafCertificate, readIssuer, toPem } from './certificate.ts';
import { createAuthority, makeAuthorityKeys } from './create-authority.ts';
import type { CertificateAuthority } from './types.ts';

const run = promisify(execFile);
const DAY = 86_400_000;

/** A server that opens every connection for one host, as the proxy does. */
async function serve(
  authority: CertificateAuthority,
  host: string,
): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => {
    const opened = new TlsSocket(socket, { isServer: true, secureContext: authority.contextFor(host) });
    opened.on('error', () => {});
    opened.once('data', () =>
      opened.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { port: address.port, server };
}

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const client = connect({ host: '127.0.0.1', port, ...options });
  await once(client, 'secureConnect');
  return client;
}

async function leafOf(authority: CertificateAuthority, host: string): Promise<X509Certificate> {
  const { port, server } = await serve(authority, host);
  const client = await handshake(port, { rejectUnauthorized: false, servername: '' });
  const leaf = new X509Certificate(client.getPeerCertificate().raw);
  client.destroy();
  server.close();
  return leaf;
}

test('a leaf names exactly its host and is signed by the authority', async () => {
  const authority = createAuthority();
  const ca = new X509Certificate(authority.certificatePem);
  for (const [host, altName] of [
    ['a.example', 'DNS:a.example'],
    ['192.0.2.1', 'IP Address:192.0.2.1'],
    ['2001:db8::1', 'IP Address:2001:DB8:0:0:0:0:0:1'],
    [`${'abcdefg.'.repeat(30)}example`, `DNS:${'abcdefg.'.repeat(30)}example`],
  ] as const) {
    const leaf = await leafOf(authority, host);
    assert.equal(leaf.subjectAltName, altName);
    assert.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey) && !leaf.ca);
  }
  assert.equal(ca.ca, true);
  assert.equal(authority.fingerprint, ca.fingerprint256);
});

test('a leaf is kept, renewed before it ends, and the number kept is bounded', async () => {
  let now = new Date('2030-01-10T00:00:00Z');
  const authority = createAuthority({ now: () => now, cacheSize: 2 });
  const first = authority.contextFor('a.example');
  const leaf = await leafOf(authority, 'a.example');
  assert.equal(leaf.validFromDate.toISOString(), '2030-01-09T00:00:00.000Z');
  assert.equal(leaf.validToDate.toISOString(), '2030-01-17T00:00:00.000Z');
  now = new Date(now.getTime() + 5 * DAY - 1);
  assert.equal(authority.contextFor('a.example'), first);
  now = new Date(now.getTime() + 1);
  assert.notEqual(authority.contextFor('a.example'), first);
  assert.equal((await leafOf(authority, 'a.example')).validToDate.toISOString(), '2030-01-22T00:00:00.000Z');
  for (const host of ['b.example', 'c.example', 'd.example']) authority.contextFor(host);
  assert.equal(authority.stats.cached, 2);
  assert.equal(authority.stats.minted, 5);
});

test('a leaf never outlives its authority', async () => {
  let now = new Date('2030-01-10T00:00:00Z');
  const authority = createAuthority({ now: () => now });
  now = new Date(authority.notAfter.getTime() - DAY);
  assert.equal((await leafOf(authority, 'a.example')).validToDate.getTime(), authority.notAfter.getTime());
});

test('dates from 2050 on are encoded as such', async () => {
  const leaf = await leafOf(createAuthority({ now: () => new Date('2051-02-03T04:05:06Z') }), 'a.example');
  assert.equal(leaf.validFromDate.toISOString(), '2051-02-02T04:05:06.000Z');
});

test('whatever key and signature come up, certificates parse', () => {
  for (let i = 0; i < 500; i++) {
    const ca = makeAuthorityKeys(new Date());
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = new X509Certificate(ca.certificatePem);
    const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + DAY) };
    const host = `${randomBytes(4).toString('hex')}.example`;
    const leaf = new X509Certificate(
      toPem(encodeLeafCertificate(host, pair.publicKey, validity, readIssuer(certificate.raw, ca.key))),
    );
    assert.ok(leaf.verify(certificate.publicKey) && leaf.checkPrivateKey(pair.privateKey));
  }
});

test('a session of one context is resumed in another, and TLS 1.1 is refused', async () => {
  const authority = createAuthority();
  const first = await serve(authority, 'a.example');
  const trust = { ca: authority.certificatePem, servername: 'a.example', maxVersion: 'TLSv1.2' } as const;
  const client = await handshake(first.port, trust);
  const session = client.getSession();
  client.destroy();
  first.server.close();
  for (let i = 0; i < 1001; i++) authority.contextFor(`${i}.example`);
  const second = await serve(authority, 'a.example');
  assert.ok(session);
  const again = await handshake(second.port, { ...trust, session });
  assert.equal(again.isSessionReused(), true);
  again.destroy();
  await assert.rejects(
    handshake(second.port, {
      ...trust,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
  );
  second.server.close();
});

test('openssl, curl and strict Python accept the chain, and another name is refused', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'boundary-ca-'));
  const authority = createAuthority();
  const ca = join(dir, 'ca.pem');
  writeFileSync(ca, authority.certificatePem);
  writeFileSync(join(dir, 'leaf.pem'), (await leafOf(authority, 'a.example')).toString());
  const verified = await run('openssl', [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-verify_hostname',
    'a.example',
    '-CAfile',
    ca,
    join(dir, 'leaf.pem'),
  ]);
  assert.match(verified.stdout, /: OK/);
  const { port, server } = await serve(authority, 'a.example');
  const curl = (host: string) =>
    run('curl', [
      '-sS',
      '--noproxy',
      '*',
      '--cacert',
      ca,
      '--resolve',
      `${host}:${port}:127.0.0.1`,
      `https://${host}:${port}/`,
    ]);
  assert.equal((await curl('a.example')).stdout, 'ok');
  await assert.rejects(curl('b.example'), { code: 60 });
  const python = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as raw:
    with context.wrap_socket(raw, server_hostname='a.example') as tls:
        print(tls.version())
`;
  const strict = await run('python3', ['-c', python, ca, String(port)]);
  assert.match(strict.stdout, /TLSv1\.3/);
  server.close();
  rmSync(dir, { recursive: true });
});
