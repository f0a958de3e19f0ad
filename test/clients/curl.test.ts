import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addressed,
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  startSite,
  told,
} from '../harness/behind-boundary.ts';
import type { Handler } from '../harness/upstream.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';

/** Answers a range request as RFC 9110, section 14, has it, and HEAD with the length alone. */
const alphabet: Handler = (request, response) => {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const body = range === null ? ALPHABET : ALPHABET.slice(Number(range[1]), Number(range[2]) + 1);
  response.statusCode = range === null ? 200 : 206;
  response.setHeader('content-length', String(body.length));
  response.setHeader('accept-ranges', 'bytes');
  if (range !== null) {
    response.setHeader('content-range', `bytes ${range[1]}-${range[2]}/${ALPHABET.length}`);
  }
  response.end(request.method === 'HEAD' ? '' : body);
};

for (const { http2, flag, version } of [
  { http2: false, flag: '--http1.1', version: '1.1' },
  { http2: true, flag: '--http2', version: '2' },
  { http2: false, flag: '--http2', version: '2' },
  { http2: true, flag: '--http1.1', version: '1.1' },
]) {
  test(`curl ${flag} to an upstream that speaks ${http2 ? 'HTTP/2 too' : 'HTTP/1.1 alone'}`, async (context) => {
    nameClient(context, 'curl', '--version');
    await using site = await startSite({ http2, handler: alphabet });
    const url = `${site.origin}/letters?key=secret`;
    const format = '\n%{http_version} %{response_code} %{ssl_verify_result}';
    const result = await behindBoundary(
      { policy: allowing(`${site.rule}\n    path: /letters`) },
      'curl',
      '-sS',
      flag,
      '-w',
      format,
      url,
    );
    assert.equal(result.stdout, `${ALPHABET}\n${version} 200 0`, told(result));
    assert.equal(result.code, 0);
    const line = auditLine(result, { verdict: 'allow', method: 'GET', protocol: 'https', status: 200 });
    assert.match(String(line.url), /^https:\/\/[^/]+\/letters\?key=(?!secret)/);
    assert.equal(line.bytes_out, ALPHABET.length);
    assert.equal((line.rule as { line: number }).line, 2);
  });
}

test('curl is denied by path inside opened TLS: 403 with a reason, and the upstream is not even connected to', async () => {
  await using site = await startSite();
  const result = await behindBoundary(
    { policy: allowing(`${site.rule}\n    path: /open/*`) },
    'curl',
    '-sS',
    '--fail-with-body',
    '-w',
    '%{http_version} %{response_code}',
    `${site.origin}/shut`,
  );
  assert.equal(result.code, 22, told(result)); // curl's own code for a status of 400 and above
  assert.match(result.stdout, /boundary denied this request\.\nReason: .*\/shut/);
  assert.match(result.stdout, /2 403$/);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', method: 'GET', url: `${site.origin}/shut`, status: 403, rule: null });
});

test('curl is denied a host at its CONNECT, and says which status it got', async () => {
  await using site = await startSite();
  const result = await behindBoundary({ policy: allowing() }, 'curl', '-sS', '-v', site.origin);
  assert.equal(result.code, 56, told(result));
  assert.match(result.stderr, /CONNECT tunnel failed, response 403/);
  assert.match(result.stderr, /X-Boundary-Request-Id: [0-9a-f]+-1/i);
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', host: site.name, port: site.port, status: 403, address: null });
});

test('mode audit relaxes the rules of a request, not the special address that no rule then opens', async () => {
  await using site = await startSite({ handler: alphabet });
  const policy = `mode: audit\n${allowing(`${site.rule}\n    path: /open/*`)}`;
  const result = await behindBoundary({ policy }, 'curl', '-sS', `${site.origin}/shut`);
  assert.match(result.stdout, /boundary denied this request/, told(result));
  assert.equal(site.connections(), 0);
});

test('plain http: allowed and denied by method', async () => {
  await using site = await startSite({ tls: false, handler: alphabet });
  const policy = allowing(`${site.rule}\n    methods: [GET]`);
  const allowed = await behindBoundary({ policy }, 'curl', '-sS', `${site.origin}/letters`);
  assert.equal(allowed.stdout, ALPHABET, told(allowed));
  auditLine(allowed, { verdict: 'allow', protocol: 'http', method: 'GET', url: `${site.origin}/letters` });
  const bytes = site.bytes();
  const denied = await behindBoundary({ policy }, 'curl', '-sS', '-X', 'DELETE', `${site.origin}/letters`);
  assert.match(denied.stdout, /^boundary denied this request/, told(denied));
  assert.equal(site.bytes(), bytes);
  auditLine(denied, { verdict: 'deny', protocol: 'http', method: 'DELETE', status: 403 });
});

test('TLS that is passed unopened shows curl the certificate of the upstream', async () => {
  await using site = await startSite({ http2: true, handler: alphabet });
  const result = await behindBoundary(
    { policy: `inspect: never\n${allowing(site.rule)}` },
    'curl',
    '-sSv',
    `${site.origin}/letters`,
  );
  assert.equal(result.stdout, ALPHABET, told(result));
  assert.match(result.stderr, /issuer: CN=boundary test CA/);
  const line = auditLine(result, { verdict: 'allow', protocol: 'tls', host: site.name });
  assert.ok(Number(line.bytes_out) > ALPHABET.length);
  assert.notEqual(line.error, 'stopping');
});

test('an allowed name whose certificate is not trusted is answered 502, never passed on', async () => {
  await using site = await startSite();
  const other = await behindBoundary(
    { policy: allowing(site.rule), flags: ['--upstream-ca', '/etc/ssl/certs/ca-certificates.crt'] },
    'curl',
    '-sS',
    '-w',
    '%{response_code}',
    `${site.origin}/letters`,
  );
  assert.match(other.stdout, /502$/, told(other));
  assert.deepEqual(site.requests, []);
  auditLine(other, { verdict: 'allow', status: 502, error: 'upstream-certificate' });
});

test('ranges and HEAD arrive as the upstream said them', async () => {
  await using site = await startSite({ handler: alphabet });
  const policy = allowing(site.rule);
  const range = await behindBoundary(
    { policy },
    'curl',
    '-sSi',
    '--http1.1',
    '-r',
    '2-4',
    `${site.origin}/letters`,
  );
  assert.match(range.stdout, /HTTP\/1\.1 206 /, told(range));
  assert.match(range.stdout, /content-range: bytes 2-4\/26\r\n/i);
  assert.match(range.stdout, /\r\n\r\ncde$/);
  for (const flag of ['--http1.1', '--http2']) {
    const head = await behindBoundary({ policy }, 'curl', '-sSI', flag, `${site.origin}/letters`);
    assert.equal(head.code, 0, told(head));
    assert.match(head.stdout, /content-length: 26\r\n/i);
    auditLine(head, { method: 'HEAD', status: 200, bytes_out: 0, error: null });
  }
});

test('ten requests over one connection are judged one by one', async () => {
  await using site = await startSite({ handler: alphabet });
  const policy = allowing(`${site.rule}\n    path: /open/*`);
  const urls = Array.from({ length: 10 }, (_, i) => `${site.origin}/${i % 2 === 0 ? 'open' : 'shut'}/${i}`);
  const result = await behindBoundary(
    { policy },
    'curl',
    '-sS',
    '-w',
    '%{response_code} %{num_connects}\n',
    '-o',
    '/dev/null',
    ...urls.flatMap((url, i) => (i === 0 ? [url] : ['-o', '/dev/null', url])),
  );
  const said = result.stdout.trim().split('\n');
  assert.deepEqual(
    said.map((line) => line.split(' ')[0]),
    urls.map((_, i) => (i % 2 === 0 ? '200' : '403')),
    told(result),
  );
  assert.equal(
    said.filter((line) => line.endsWith(' 0')).length,
    9,
    'nine of them over the first connection',
  );
  assert.deepEqual(
    site.requests.map(({ url }) => url),
    ['/open/0', '/open/2', '/open/4', '/open/6', '/open/8'],
  );
  assert.equal(result.audit.filter((line) => line.verdict === 'deny').length, 5);
});

test('an address that the rule does not open is refused for an allowed name', async () => {
  await using site = await startSite();
  const { name, port } = site;
  const other = addressed(name, '192.0.2.1', port, 'https');
  const result = await behindBoundary({ policy: allowing(other.rule) }, 'curl', '-sS', `${site.origin}/`);
  assert.match(result.stdout, /boundary denied this request/, told(result));
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', status: 403 });
});

for (const [what, status, ...flags] of [
  ['a GET', '403'],
  ['a body that comes with the head', '403', '-d', 'abc'],
  ['a body that waits for 100', '400', '-H', 'Expect: 100-continue', '-d', 'abc'],
] as const) {
  test(`curl --http2 asks a plain upstream for h2c, with ${what}: refused, never sent`, async () => {
    await using site = await startSite({ tls: false });
    const result = await behindBoundary(
      { policy: allowing(site.rule) },
      'curl',
      '-sS',
      '--http2',
      '-w',
      '%{response_code}',
      ...flags,
      `${site.origin}/`,
    );
    assert.equal(result.code, 0, told(result));
    assert.match(result.stdout, new RegExp(`boundary.*${status}$`, 's'));
    assert.equal(site.connections(), 0);
    auditLine(result, { verdict: 'deny', status: Number(status) });
  });
}
