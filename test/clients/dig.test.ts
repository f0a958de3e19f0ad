import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { serveDnsOverTcp } from '../../sidecar/src/resolver/dns-over-tcp.ts';
import { serveDnsOverUdp } from '../../sidecar/src/resolver/dns-over-udp.ts';
import { createDnsService, type DnsEvent } from '../../sidecar/src/resolver/dns-service.ts';
import { openNameAddresses } from '../../sidecar/src/resolver/name-addresses.ts';

const names = openNameAddresses({ path: join(mkdtempSync(join(tmpdir(), 'boundary-dig-')), 'names') });
const events: DnsEvent[] = [];
const service = createDnsService({ names, mayReach: () => true, onQuestion: (event) => events.push(event) });

let datagrams: Datagrams;
let server: Server;
let port: number;
before(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => serveDnsOverTcp(socket, service));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as { port: number }).port;
  datagrams = createSocket('udp4').bind(port, '127.0.0.1');
  await once(datagrams, 'listening');
  serveDnsOverUdp(datagrams, service);
});
after(() => {
  server.close();
  datagrams.close();
});

/** What dig prints; it takes part in neither the machine's configuration nor its resolver. */
async function dig(...options: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('dig', [
    '-r',
    '@127.0.0.1',
    '-p',
    String(port),
    '+tries=1',
    '+time=5',
    '+nosearch',
    ...options,
  ]);
  return stdout;
}

const short = async (...options: string[]) => (await dig('+short', ...options)).trim();
const status = async (...options: string[]) => /status: (\w+)/.exec(await dig(...options))?.[1];

describe('dig', () => {
  for (const [transport, option] of [
    ['UDP', '+notcp'],
    ['TCP', '+tcp'],
  ] as const) {
    test(`has an address over ${transport}, with the name as it was asked for`, async () => {
      const address = names.addressOf('www.example.com') ?? '';
      assert.equal(await short(option, 'www.example.com'), address);
      const output = await dig(option, '+dnssec', 'WwW.ExAmPlE.com');
      assert.match(output, /status: NOERROR/);
      assert.match(output, /;; flags: qr rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1/);
      assert.match(output, /EDNS: version: 0, flags: do; udp: 1232/);
      assert.ok(output.includes(`WwW.ExAmPlE.com.\t60\tIN\tA\t${address}`), output);
      assert.doesNotMatch(output, /WARNING|Warning|malformed/);
    });
  }

  test('has a name for an address', async () => {
    assert.equal(await short('-x', names.addressOf('www.example.com') ?? ''), 'www.example.com.');
    assert.equal(await short('-x', '127.0.0.1'), 'localhost.');
    assert.equal(await status('-x', '192.0.2.1'), 'NXDOMAIN');
    assert.equal(await status('-x', '2001:db8::1'), 'NXDOMAIN');
  });

  for (const type of [
    'AAAA',
    'HTTPS',
    'SVCB',
    'TXT',
    'NULL',
    'SRV',
    'MX',
    'NS',
    'SOA',
    'CAA',
    'DNSKEY',
    'TYPE65400',
  ]) {
    test(`has nothing for ${type}`, async () => {
      const output = await dig('www.example.com', type);
      assert.match(output, /status: NOERROR/);
      assert.match(output, /ANSWER: 0, AUTHORITY: 0/);
    });
  }

  test('is refused what is no question for one type of data', async () => {
    assert.equal(await status('www.example.com', 'ANY'), 'REFUSED');
    assert.equal(await status('+notcp', 'www.example.com', 'ANY'), 'REFUSED');
    assert.match(await dig('www.example.com', 'AXFR'), /Transfer failed/);
    assert.match(await dig('www.example.com', 'IXFR=1'), /Transfer failed/);
    assert.deepEqual(
      events.slice(-2).map(({ type, result, transport }) => `${type} ${result} ${transport}`),
      ['AXFR refused tcp', 'IXFR refused tcp'],
    );
    assert.equal(await status('-c', 'CH', 'version.bind', 'TXT'), 'REFUSED');
  });

  test('is told of an EDNS, an opcode and a flag that are not known', async () => {
    assert.match(await dig('+edns=1', '+noednsneg', 'www.example.com'), /status: BADVERS/);
    assert.equal(await status('+opcode=NOTIFY', 'www.example.com'), 'NOTIMP');
    assert.equal(await status('+opcode=STATUS', 'www.example.com'), 'NOTIMP');
    assert.equal(await status('+opcode=UPDATE', 'www.example.com'), 'NOTIMP');
    assert.equal(await status('+zflag', '+adflag', '+cdflag', 'www.example.com'), 'NOERROR');
    assert.equal(await status('+header-only'), 'FORMERR');
  });

  test('may add what EDNS lets it add', async () => {
    for (const option of [
      '+noedns',
      '+bufsize=512',
      '+cookie',
      '+nsid',
      '+padding=468',
      '+subnet=192.0.2.0/24',
    ])
      assert.equal(await short(option, 'www.example.com'), names.addressOf('www.example.com'), option);
    assert.equal(await short('+tcp', '+keepalive', 'www.example.com'), names.addressOf('www.example.com'));
  });

  test('keeps a connection open for several questions', async () => {
    const output = await short('+tcp', '+keepopen', 'a.example', 'b.example', 'c.example');
    assert.deepEqual(
      output.split('\n'),
      ['a.example', 'b.example', 'c.example'].map((name) => names.addressOf(name)),
    );
  });

  test('carries nothing out in a name, whatever its type: all there is of it is the event', async () => {
    events.length = 0;
    const secret = Buffer.from('the key is under the mat').toString('hex');
    assert.match(await short(`${secret}.evil.example`), /^198\.1[89]\./);
    assert.equal(await short(`${secret}.evil.example`, 'TXT'), '');
    assert.equal(await short('with\\032space.evil.example'), '');
    assert.deepEqual(
      events.map(({ name, asked, type }) => [name, asked, type]),
      [
        [`${secret}.evil.example`, `${secret}.evil.example`, 'A'],
        [`${secret}.evil.example`, `${secret}.evil.example`, 'TXT'],
        [null, 'with\\032space.evil.example', 'A'],
      ],
    );
  });
});
