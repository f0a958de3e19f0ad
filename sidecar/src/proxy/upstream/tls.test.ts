import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { ExchangeRecorder, exchange } from '../../../../test/harness/exchange-recorder.ts';
import { createTestCa } from '../../../../test/harness/test-ca.ts';
import { ca, client, https, leaf, portOf } from '../../../../test/harness/upstream-under-test.ts';
import type { Route } from '../upstream-types.ts';

function selfSigned(): { key: string; cert: string } {
  const dir = mkdtempSync(join(tmpdir(), 'boundary-test-'));
  try {
    const key = join(dir, 'key.pem');
    const cert = join(dir, 'cert.pem');
    const subject = ['-subj', '/CN=upstream.test', '-addext', 'subjectAltName=DNS:upstream.test'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files],
      {
        stdio: 'ignore',
      },
    );
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const HOUR = 3_600_000;
const past = { notBefore: new Date(Date.now() - 9 * HOUR), notAfter: new Date(Date.now() - HOUR) };
const future = { notBefore: new Date(Date.now() + HOUR), notAfter: new Date(Date.now() + 9 * HOUR) };

describe('the certificate of an upstream', () => {
  for (const host of ['upstream.test', '127.0.0.1']) {
    test(`that is right for ${host} is taken`, async () => {
      const route = await https(leaf, host);
      const upstream = client();
      for (let i = 0; i < 3; i++) {
        const answer = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
        assert.equal(answer.error, null);
        assert.equal(answer.text, 'secret');
      }
    });
  }

  const bad: { name: string; options: () => TlsOptions; host?: string; kind: string; message: RegExp }[] = [
    {
      name: 'expired',
      options: () => ca.issue(['upstream.test'], past),
      kind: 'certificate',
      message: /has expired/,
    },
    {
      name: 'not valid yet',
      options: () => ca.issue(['upstream.test'], future),
      kind: 'certificate',
      message: /not valid yet/,
    },
    {
      name: 'for another name',
      options: () => ca.issue(['other.test']),
      kind: 'certificate',
      message: /another name.*other\.test/,
    },
    {
      name: 'for a name, asked by address',
      options: () => ca.issue(['upstream.test']),
      host: '127.0.0.1',
      kind: 'certificate',
      message: /another name/,
    },
    { name: 'self-signed', options: selfSigned, kind: 'certificate', message: /self-signed.*--upstream-ca/ },
    {
      name: 'of an unknown CA',
      options: () => createTestCa().issue(['upstream.test']),
      kind: 'certificate',
      message: /not trusted here.*--upstream-ca/,
    },
    {
      name: 'right, over TLS 1.1 alone',
      options: () => ({ ...leaf, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      kind: 'tls',
      message: /TLS 1\.2 or newer/,
    },
  ];
  for (const { name, options, host, kind, message } of bad) {
    test(`that is ${name} is refused before a request is sent`, async () => {
      const route = await https(options(), host);
      const upstream = client();
      const answer = await exchange(upstream, route, {}, new ExchangeRecorder()).finished;
      assert.equal(answer.error?.kind, kind);
      assert.equal(answer.error?.status, 502);
      assert.match(answer.error?.message ?? '', message);
      assert.deepEqual(answer.connected, []);
      const signal = new AbortController().signal;
      await assert.rejects(upstream.connect(route, signal), { kind, status: 502 });
    });
  }

  test('no TLS at all is a TLS error', async () => {
    const port = await portOf(createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    const route: Route = { scheme: 'https', host: 'upstream.test', port, addresses: ['127.0.0.1'] };
    const answer = await exchange(client(), route, {}, new ExchangeRecorder()).finished;
    assert.equal(answer.error?.kind, 'tls');
  });

  test('the server name is the host, never an address, and only http/1.1 is offered', async () => {
    const seen: { name: string | false; alpn: string | false | null }[] = [];
    const server = createTlsServer({ ...leaf, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
      seen.push({ name: socket.servername ?? false, alpn: socket.alpnProtocol });
      socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
    });
    const port = await portOf(server);
    for (const host of ['upstream.test', '127.0.0.1']) {
      const route: Route = { scheme: 'https', host, port, addresses: ['127.0.0.1'] };
      assert.equal((await exchange(client(), route, {}, new ExchangeRecorder()).finished).status, 204);
    }
    assert.deepEqual(seen, [
      { name: 'upstream.test', alpn: 'http/1.1' },
      { name: false, alpn: 'http/1.1' },
    ]);
  });
});
