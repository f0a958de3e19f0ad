/** Addresses: literals, odd spellings, disguises, metadata, boundary's own listeners, and what redirects lead to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { converse, openTunnel, type Setting, startSetting, statusOf, talk } from './attack.ts';

const run = promisify(execFile);

let upstream: Upstream;
/** Every name, every method, private addresses too: an agent that may reach "everything". */
let wide: Setting;
/** Names resolve to loopback, and one rule opens it for one port. */
let narrow: Setting;
/** As `wide`, where nothing is enforced. */
let observed: Setting;

const WIDE = `allow:
  - { domain: "*", port: any, private: true }
  - { cidr: 0.0.0.0/0, port: any }
  - { cidr: "::/0", port: any }
`;

before(async () => {
  upstream = await startUpstream({
    handler(request, response) {
      const to = new URL(request.url ?? '/', 'http://x').searchParams.get('to');
      if (to !== null) {
        response.statusCode = 302;
        response.setHeader('location', to);
      }
      request.resume();
      response.end('here');
    },
  });
  [wide, narrow, observed] = await Promise.all([
    startSetting(WIDE),
    startSetting(
      `allow:
  - { domain: localhost, port: ${upstream.port}, cidr: [127.0.0.1/32, "::1/128"] }
  - { domain: "*", port: any, private: true }
  - { cidr: 127.0.0.1/32, port: ${upstream.port} }
`,
    ),
    startSetting(`mode: audit\n`),
  ]);
});
after(async () => {
  for (const setting of [wide, narrow, observed]) await setting[Symbol.asyncDispose]();
  await upstream.close();
});

/** `{port}` is the upstream's. Each is this machine, its network, a cloud's metadata, or nobody's, in some spelling. */
const REFUSED: Record<string, [host: string, status: number]> = {
  loopback: ['127.0.0.1', 403],
  'all of loopback': ['127.8.8.8', 403],
  'loopback with a dot at its end': ['127.0.0.1.', 403],
  'the unspecified address': ['0.0.0.0', 403],
  'this network': ['0.1.2.3', 403],
  'loopback in two parts': ['127.1', 400],
  'loopback in three parts': ['127.0.1', 400],
  'loopback as one number': ['2130706433', 400],
  'loopback in hex': ['0x7f000001', 400],
  'loopback in hex parts': ['0x7f.0.0.1', 400],
  'loopback in octal': ['0177.0.0.1', 400],
  'loopback with leading zeros': ['127.000.000.001', 400],
  zero: ['0', 400],
  'an octet too many': ['127.0.0.1.1', 400],
  'an octet too large': ['127.0.0.256', 400],
  'a name that localhost is': ['localhost', 403],
  'v6 loopback': ['[::1]', 403],
  'v6 loopback, written out': ['[0:0:0:0:0:0:0:1]', 403],
  'v6 without brackets': ['::1', 400],
  'v4-mapped loopback': ['[::ffff:127.0.0.1]', 403],
  'v4-mapped loopback in hex': ['[::ffff:7f00:1]', 403],
  'v4-compatible loopback': ['[::127.0.0.1]', 403],
  'v4-translated loopback': ['[::ffff:0:127.0.0.1]', 403],
  'NAT64 of loopback': ['[64:ff9b::7f00:1]', 403],
  'local NAT64': ['[64:ff9b:1::7f00:1]', 403],
  '6to4 of loopback': ['[2002:7f00:1::1]', 403],
  Teredo: ['[2001:0:7f00:1::1]', 403],
  'a zone id': ['[fe80::1%25eth0]', 400],
  'a raw zone id': ['[fe80::1%eth0]', 400],
  'link-local': ['169.254.1.1', 403],
  'v6 link-local': ['[fe80::1]', 403],
  metadata: ['169.254.169.254', 403],
  'metadata as one number': ['2852039166', 400],
  'metadata in hex': ['0xA9FEA9FE', 400],
  'metadata in octal': ['0251.0376.0251.0376', 400],
  'metadata, v4-mapped': ['[::ffff:a9fe:a9fe]', 403],
  'metadata, NAT64': ['[64:ff9b::a9fe:a9fe]', 403],
  'container credentials': ['169.254.170.2', 403],
  'v6 metadata': ['[fd00:ec2::254]', 403],
  'metadata of another cloud': ['100.100.100.200', 403],
  'the wire server of a cloud': ['168.63.129.16', 403],
  'private 10': ['10.0.0.1', 403],
  'private 172.16': ['172.16.0.1', 403],
  'private 192.168': ['192.168.0.1', 403],
  'carrier-grade NAT': ['100.64.0.1', 403],
  'unique local': ['[fd12::1]', 403],
  'protocol assignments': ['192.0.0.1', 403],
  documentation: ['192.0.2.1', 403],
  'v6 documentation': ['[2001:db8::1]', 403],
  benchmarking: ['198.18.0.1', 403],
  multicast: ['224.0.0.1', 403],
  'v6 multicast': ['[ff02::1]', 403],
  broadcast: ['255.255.255.255', 403],
  reserved: ['240.0.0.1', 403],
};

for (const [name, [host, status]] of Object.entries(REFUSED)) {
  test(`${name} stays shut, whatever is allowed or only observed: ${host}`, async () => {
    const authority = `${host}:${upstream.port}`;
    for (const setting of [wide, observed]) {
      const { result, lines } = await setting.during(() =>
        talk(setting.port, `GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\n\r\n`),
      );
      assert.equal(statusOf(result), status, result.text);
      assert.equal(lines.length, 1);
      assert.equal(lines[0]?.verdict, 'deny');
    }
    // A CONNECT is refused at once, or what comes inside it is.
    const { result } = await wide.during(async () => {
      const tunnel = await openTunnel(wide.port, authority);
      if (tunnel.status !== 200) {
        tunnel.socket.destroy();
        return tunnel.status;
      }
      return statusOf(await converse(tunnel.socket, [`GET / HTTP/1.1\r\nHost: ${authority}\r\n\r\n`]));
    });
    assert.equal(result, status);
    assert.equal(upstream.bytes(), 0);
  });
}

test('IMDSv2’s token cannot be had', async () => {
  const { result, lines } = await wide.during(() =>
    talk(
      wide.port,
      'PUT http://169.254.169.254/latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n',
    ),
  );
  assert.equal(statusOf(result), 403);
  assert.match(String(lines[0]?.reason), /metadata/i);
});

test('a redirect is not followed here, and where it leads is judged anew', async () => {
  const url = `http://localhost:${upstream.port}/?to=${encodeURIComponent('http://169.254.169.254/latest/meta-data/')}`;
  const { result, lines } = await narrow.during(
    () =>
      run('curl', [
        '-sSL',
        '--noproxy',
        '',
        '-x',
        `http://127.0.0.1:${narrow.port}`,
        '-o',
        '/dev/null',
        '-w',
        '%{http_code} %{num_redirects}',
        url,
      ]),
    2,
  );
  assert.equal(result.stdout, '403 1');
  assert.deepEqual(
    lines.map(({ verdict, host }) => [verdict, host]),
    [
      ['allow', 'localhost'],
      ['deny', '169.254.169.254'],
    ],
  );
});

test('curl --resolve and --connect-to choose no address for an allowed name', async () => {
  const url = `http://localhost:${upstream.port}/`;
  for (const flag of [
    ['--resolve', `localhost:${upstream.port}:169.254.169.254`],
    ['--connect-to', `localhost:${upstream.port}:169.254.169.254:80`],
  ]) {
    const { result, lines } = await narrow.during(() =>
      run('curl', [
        '-sS',
        '--noproxy',
        '',
        '-x',
        `http://127.0.0.1:${narrow.port}`,
        ...flag,
        '-w',
        ' %{http_code}',
        url,
      ]).catch((error: { stdout: string }) => error),
    );
    // curl leaves --resolve to the proxy; with --connect-to it asks for a tunnel to the address, which is refused.
    assert.match(result.stdout, /^here 200$|^ 000$/);
    assert.equal(lines[0]?.verdict, result.stdout === ' 000' ? 'deny' : 'allow');
  }
});

test('boundary’s own listeners are reached by no name, address, tunnel, rule or mode', async () => {
  const control = Number(new URL(narrow.sidecar.controlUrl).port);
  await using everything = await startSetting(
    `mode: audit\nallow:\n  - { domain: [localhost, "{other}"], port: any, cidr: [127.0.0.0/8, "::1/128"] }\n  - { cidr: [127.0.0.0/8, 0.0.0.0/32, "::1/128", "::ffff:127.0.0.1/128"], port: any }\n`,
  );
  const own = Number(new URL(everything.sidecar.controlUrl).port);
  assert.notEqual(own, control);
  const hosts = [
    '127.0.0.1',
    'localhost',
    everything.otherName,
    '0.0.0.0',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
  ];
  for (const host of hosts) {
    for (const port of [everything.port, own]) {
      const place = `${host}:${port}`;
      const { result, lines } = await everything.during(() =>
        talk(everything.port, `GET http://${place}/metrics HTTP/1.1\r\nHost: ${place}\r\n\r\n`),
      );
      assert.equal(statusOf(result), 403, `${place}: ${result.text}`);
      assert.equal(lines[0]?.verdict, 'deny');
      const inside = await everything.during(async () => {
        const tunnel = await openTunnel(everything.port, place);
        if (tunnel.status !== 200) {
          tunnel.socket.destroy();
          return tunnel.status;
        }
        return statusOf(await converse(tunnel.socket, [`GET /metrics HTTP/1.1\r\nHost: ${place}\r\n\r\n`]));
      });
      assert.equal(inside.result, 403, place);
    }
  }
  // The control: with the same rules, a listener that is not its own is reached.
  const place = `127.0.0.1:${upstream.port}`;
  assert.equal(
    statusOf(await talk(everything.port, `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`)),
    200,
  );
});

test('the control API wants its token and its own name, also from this machine', async () => {
  const { controlUrl, token } = wide.sidecar;
  for (const path of ['/v1/policy', '/v1/explain']) {
    assert.equal((await fetch(controlUrl + path)).status, 401);
    const wrong = await fetch(controlUrl + path, { headers: { authorization: `Bearer ${token}x` } });
    assert.equal(wrong.status, 401);
  }
  const rebound = await talk(
    Number(new URL(controlUrl).port),
    `GET /v1/policy HTTP/1.1\r\nHost: evil.test\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
  );
  assert.notEqual(statusOf(rebound), 200, 'a page of another site, by DNS rebinding');
  const right = await fetch(`${controlUrl}/v1/policy`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(right.status, 200);
});

test('names that are denied are never looked up', async () => {
  await using strict = await startSetting('allow:\n  - { domain: localhost, port: 1 }\n');
  for (let i = 0; i < 20; i++) {
    const name = `secret-${i}.evil.test`;
    const heard = await talk(strict.port, `GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
    assert.equal(statusOf(heard), 403);
    const tunnel = await openTunnel(strict.port, `${name}:443`);
    assert.equal(tunnel.status, 403);
    tunnel.socket.destroy();
  }
  const lookups = (await strict.metrics()).split('\n').filter((line) => /^boundary_dns\S* [1-9]/.test(line));
  assert.deepEqual(lookups, []);
  // The control: a name that is allowed is looked up.
  assert.match(await narrow.metrics(), /^boundary_dns\S* [1-9]/m);
});

test('afterwards every process lives', async () => {
  for (const setting of [wide, narrow, observed]) await setting.alive();
});
