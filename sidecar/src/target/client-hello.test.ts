import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { readClientHello } from './client-hello.ts';
import { sniff } from './sniff.ts';

/** What Node's own TLS client sends first. */
async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = connect({ ...options, host: '127.0.0.1', port: address.port });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [first] = await once(socket, 'data');
  socket.destroy();
  client.destroy();
  server.close();
  return first;
}

function extension(type: number, body: number[]): number[] {
  return [type >> 8, type & 255, body.length >> 8, body.length & 255, ...body];
}

function names(...entries: string[]): number[] {
  const list = entries.flatMap((name) => [
    0,
    name.length >> 8,
    name.length & 255,
    ...Buffer.from(name, 'latin1'),
  ]);
  return [list.length >> 8, list.length & 255, ...list];
}

function message(...extensions: number[][]): number[] {
  const all = extensions.flat();
  const body = [
    3,
    3,
    ...new Array(32).fill(7),
    0,
    0,
    2,
    0x13,
    1,
    1,
    0,
    all.length >> 8,
    all.length & 255,
    ...all,
  ];
  return [1, 0, body.length >> 8, body.length & 255, ...body];
}

function record(fragment: readonly number[]): number[] {
  return [0x16, 3, 1, fragment.length >> 8, fragment.length & 255, ...fragment];
}

const hello = (...extensions: number[][]) => Buffer.from(record(message(...extensions)));

test('a real ClientHello tells its server name, protocols and version', async () => {
  const modern = await realHello({ servername: 'A.Example', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual(readClientHello(modern), {
    kind: 'hello',
    serverName: 'a.example',
    alpn: ['h2', 'http/1.1'],
    newestVersion: 0x0304,
  });
  const older = readClientHello(await realHello({ maxVersion: 'TLSv1.2' }));
  assert.deepEqual(older, { kind: 'hello', serverName: null, alpn: [], newestVersion: 0x0303 });
});

test('a ClientHello arrives one byte at a time and in records of one byte', async () => {
  const whole = await realHello({ servername: 'a.example' });
  const expected = readClientHello(whole);
  for (let length = 0; length < whole.length; length++) {
    assert.equal(readClientHello(whole.subarray(0, length)).kind, 'more', `${length}`);
  }
  const cut = Buffer.from([...whole.subarray(5)].flatMap((byte) => record([byte])));
  assert.deepEqual(readClientHello(cut), expected);
  assert.equal(readClientHello(cut.subarray(0, -1)).kind, 'more');
});

test('a ClientHello of some kilobytes is read, one beyond 64 KiB is not', () => {
  const name = extension(0, names('a.example'));
  const padded = message(name, extension(21, new Array(20_000).fill(0)));
  const records = [record(padded.slice(0, 16_384)), record(padded.slice(16_384))].flat();
  const reading = readClientHello(Buffer.from(records));
  assert.ok(reading.kind === 'hello' && reading.serverName === 'a.example');
  const endless = record([1, 1, 0, 0, ...new Array(16_000).fill(0)]);
  assert.equal(readClientHello(Buffer.from(endless)).kind, 'invalid');
  const slow = Buffer.from(
    record([1, 0, 0xff, 0xf0, ...new Array(300).fill(0)]).concat(...new Array(15_000).fill(record([0]))),
  );
  assert.equal(readClientHello(slow).kind, 'invalid');
});

test('encrypted ClientHello and GREASE are ordinary', () => {
  const reading = readClientHello(
    hello(
      extension(0x0a0a, []),
      extension(0, names('outer.example')),
      extension(0xfe0d, new Array(150).fill(9)),
    ),
  );
  assert.ok(reading.kind === 'hello' && reading.serverName === 'outer.example');
  const versions = readClientHello(hello(extension(43, [4, 0xfa, 0xfa, 3, 4])));
  assert.ok(versions.kind === 'hello' && versions.newestVersion === 0x0304);
});

test('what is ambiguous or malformed is invalid', () => {
  const name = extension(0, names('a.example'));
  const good = message(name);
  const cases: readonly [string, number[]][] = [
    ['two names', record(message(extension(0, names('a.example', 'b.example'))))],
    ['two extensions', record(message(name, extension(0, names('b.example'))))],
    ['an empty list', record(message(extension(0, [0, 0])))],
    ['an empty extension', record(message(extension(0, [])))],
    ['an empty name', record(message(extension(0, names(''))))],
    ['an unknown type', record(message(extension(0, [0, 4, 1, 0, 1, 97])))],
    ['bytes after the list', record(message(extension(0, [...names('a.example'), 0])))],
    ['a name with NUL', record(message(extension(0, names('a.example\0.evil.example'))))],
    ['a name with a line feed', record(message(extension(0, names('a.example\n'))))],
    ['a name beyond ASCII', record(message(extension(0, names('\xe9.example'))))],
    ['an odd address', record(message(extension(0, names('127.1'))))],
    ['a ServerHello', record([2, ...good.slice(1)])],
    ['an alert', [0x15, 3, 1, 0, 2, 1, 0]],
    ['SSL 2', [0x16, 2, 0, 0, 1, 1]],
    ['an empty record', record([])],
    ['a length past the end', record([...good.slice(0, -1)].with(3, (good[3] ?? 0) - 1))],
    ['a second message', record([...good, 1, 0, 0, 0])],
  ];
  for (const [what, bytes] of cases) {
    assert.equal(readClientHello(Buffer.from(bytes)).kind, 'invalid', what);
  }
});

test('an address as a server name is canonical', () => {
  const reading = readClientHello(hello(extension(0, names('2001:DB8::0:1'))));
  assert.ok(reading.kind === 'hello' && reading.serverName === '2001:db8::1');
});

test('no bytes make the reader or the sniffer throw, and no cut changes the reading', async () => {
  const whole = await realHello({ servername: 'a.example', ALPNProtocols: ['h2'] });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.nat(whole.length),
      (changes, cut) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        const end = readClientHello(bytes);
        const early = readClientHello(bytes.subarray(0, cut));
        sniff(bytes.subarray(0, cut));
        // A verdict on a part has to be the verdict on the whole.
        if (early.kind !== 'more') assert.equal(early.kind, end.kind);
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void [readClientHello(bytes), sniff(bytes)]),
  );
});

test('the first bytes tell the protocol', () => {
  const cases: readonly [string, ReturnType<typeof sniff>][] = [
    ['', 'more'],
    ['G', 'more'],
    ['GET ', 'http1'],
    ['GET / HTTP/1.1\r\n', 'http1'],
    ['get / HTTP/1.1\r\n', 'other'],
    ['PR', 'more'],
    ['PRI ', 'more'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
    ['PRI * HTTP/2.0\r\n\r\nXX', 'other'],
    ['PROPFIND /', 'http1'],
    ['\x16', 'more'],
    ['\x16\x03', 'tls'],
    ['\x16\x02', 'other'],
    ['\x80\x2e\x01\x03\x01', 'other'],
    ['SSH-2.0-x', 'other'],
    ['\r\nGET ', 'other'],
    ['GETX', 'other'],
  ];
  for (const [text, expected] of cases) assert.equal(sniff(Buffer.from(text, 'latin1')), expected, text);
});
