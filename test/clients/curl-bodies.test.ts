import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { allowing, auditLine, behindBoundary, startSite, told } from '../harness/behind-boundary.ts';
import type { Handler } from '../harness/upstream.ts';

const directory = mkdtempSync(join(tmpdir(), 'boundary-bodies-'));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, 'upload');
const content = randomBytes(5_000_000);
writeFileSync(file, content);
const digest = createHash('sha256').update(content).digest('hex');

/** Answers with how the body was framed, its length and its digest, once it came whole. */
const framing: Handler = (request, response) => {
  const hash = createHash('sha256');
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    hash.update(chunk);
  });
  request.on('end', () => {
    const { 'content-length': sized, 'transfer-encoding': coding } = request.headers;
    const said = { sized: sized ?? null, coding: coding ?? null, length, digest: hash.digest('hex') };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ...said, trailers: request.trailers }));
  });
};

for (const flag of ['--http1.1', '--http2']) {
  test(`a sized upload by ${flag} reaches the upstream sized, whole`, async () => {
    await using site = await startSite({ handler: framing });
    const result = await behindBoundary(
      { policy: allowing(site.rule) },
      'curl',
      '-sS',
      flag,
      '-T',
      file,
      `${site.origin}/`,
    );
    const seen = JSON.parse(result.stdout);
    assert.deepEqual(
      seen,
      { sized: String(content.length), coding: null, length: content.length, digest, trailers: {} },
      told(result),
    );
    auditLine(result, { method: 'PUT', status: 200, bytes_in: content.length, error: null });
  });

  test(`an upload of unknown length by ${flag} reaches the upstream chunked, whole`, async () => {
    await using site = await startSite({ handler: framing });
    const command = `curl -sS ${flag} -T - ${site.origin}/ < ${file}`;
    const result = await behindBoundary({ policy: allowing(site.rule) }, 'sh', '-c', command);
    const seen = JSON.parse(result.stdout);
    assert.deepEqual(
      seen,
      { sized: null, coding: 'chunked', length: content.length, digest, trailers: {} },
      told(result),
    );
    auditLine(result, { method: 'PUT', status: 200, bytes_in: content.length });
  });
}

test('an upload over HTTP/2 to an HTTP/2 upstream keeps its length', async () => {
  await using site = await startSite({ handler: framing, http2: true });
  const result = await behindBoundary(
    { policy: allowing(site.rule) },
    'curl',
    '-sS',
    '--http2',
    '-T',
    file,
    `${site.origin}/`,
  );
  const seen = JSON.parse(result.stdout);
  assert.deepEqual(
    [seen.length, seen.digest, seen.sized],
    [content.length, digest, String(content.length)],
    told(result),
  );
});

test('a denied upload is answered at once, and no byte of it goes anywhere', async () => {
  await using site = await startSite({ handler: framing });
  for (const flag of ['--http1.1', '--http2']) {
    const result = await behindBoundary(
      { policy: allowing(`${site.rule}\n    methods: [GET]`) },
      'curl',
      '-sS',
      flag,
      '-w',
      '%{response_code}',
      '-T',
      file,
      `${site.origin}/`,
    );
    assert.match(result.stdout, /^boundary denied this request[\s\S]*403$/, told(result));
    assert.equal(site.connections(), 0);
    auditLine(result, { verdict: 'deny', method: 'PUT', status: 403 });
  }
});

test('100-continue: the upstream asks for the body, and curl sends it only then', async () => {
  await using site = await startSite({ handler: framing });
  let asked = 0;
  site.server.on('checkContinue', (request, response) => {
    asked++;
    response.writeContinue();
    site.server.emit('request', request, response);
  });
  // Without the 100 curl would wait a minute, and this command ends after half of one.
  const result = await behindBoundary(
    { policy: allowing(site.rule) },
    'curl',
    '-sSv',
    '--http1.1',
    '-m',
    '30',
    '--expect100-timeout',
    '60',
    '-H',
    'Expect: 100-continue',
    '-T',
    file,
    `${site.origin}/`,
  );
  assert.match(result.stderr, /< HTTP\/1\.1 100 Continue/, told(result));
  assert.equal(JSON.parse(result.stdout).digest, digest);
  assert.equal(asked, 1);
});

test('100-continue: an upstream that refuses by the head alone is never sent the body', async () => {
  await using site = await startSite({ handler: framing });
  site.server.on('checkContinue', (_request, response) => {
    response.writeHead(417, { connection: 'close' });
    response.end('not that');
  });
  const result = await behindBoundary(
    { policy: allowing(site.rule) },
    'curl',
    '-sS',
    '--http1.1',
    '-m',
    '30',
    '--expect100-timeout',
    '60',
    '-w',
    ' %{response_code} %{size_upload}',
    '-H',
    'Expect: 100-continue',
    '-T',
    file,
    `${site.origin}/`,
  );
  assert.match(result.stdout, /^not that 417 /, told(result));
  assert.ok(site.bytes() < 100_000, `the upstream received ${site.bytes()} bytes`);
});

for (const flag of ['--http1.1', '--http2']) {
  test(`an answer by ${flag} that comes before the upload has ended reaches curl`, async () => {
    await using site = await startSite({
      handler(_request, response) {
        response.statusCode = 413;
        response.end('too much');
      },
    });
    const script = `head -c 200M /dev/zero | curl -sS -m 60 ${flag} -w ' %{response_code}' -T - ${site.origin}/`;
    const result = await behindBoundary({ policy: allowing(site.rule) }, 'sh', '-c', script);
    assert.match(result.stdout, /^too much 413/, told(result));
    const line = auditLine(result, { method: 'PUT', status: 413 });
    assert.ok(Number(line.bytes_in) < 200 * 1024 * 1024);
  });
}

test('trailers of a chunked answer reach curl', async () => {
  await using site = await startSite({
    handler: (_request, response) => {
      response.setHeader('trailer', 'x-digest');
      response.write('body');
      response.addTrailers({ 'x-digest': 'at-the-end' });
      response.end();
    },
  });
  for (const flag of ['--http1.1', '--http2']) {
    const result = await behindBoundary(
      { policy: allowing(site.rule) },
      'curl',
      '-sSi',
      flag,
      `${site.origin}/`,
    );
    assert.match(result.stdout, /\r\n\r\nbody/, told(result));
    assert.match(result.stdout, /x-digest: at-the-end\r$/im);
  }
});

test('an answer that breaks off is an error for curl, not a short success', async () => {
  await using site = await startSite({
    handler(request, response) {
      response.setHeader('content-length', '1000');
      response.write('half of it');
      request.socket.end();
    },
  });
  // 18 is a partial file, 56 a reset connection, 92 a reset stream.
  for (const [flag, ...codes] of [
    ['--http1.1', 18, 56],
    ['--http2', 92],
  ] as const) {
    const result = await behindBoundary(
      { policy: allowing(site.rule) },
      'curl',
      '-sS',
      flag,
      `${site.origin}/`,
    );
    assert.ok(
      codes.some((code) => code === result.code),
      told(result),
    );
  }
});

test('an answer that response_body forbids is refused where its length is known, else cut so that curl notices', async () => {
  await using site = await startSite({
    handler(request, response) {
      if (request.url === '/sized') response.setHeader('content-length', String(content.length));
      response.write(content);
      response.end();
    },
  });
  const policy = allowing(`${site.rule}\n    limits: { response_body: 1MiB }`);
  for (const [path, code, status] of [
    ['sized', 0, '502'],
    ['unsized', 92, '200'],
  ] as const) {
    const result = await behindBoundary(
      { policy },
      'curl',
      '-sS',
      '-o',
      '/dev/null',
      '-w',
      '%{response_code}',
      `${site.origin}/${path}`,
    );
    assert.deepEqual([result.code, result.stdout], [code, status], told(result));
    auditLine(result, { verdict: 'allow', error: 'response-too-large' });
  }
});
