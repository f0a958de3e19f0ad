/** The log, the metrics and the policy in force: nothing forged, nothing secret, nothing without bound, nothing stale. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runBoundary } from '../harness/boundary.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream, type Upstream } from '../harness/upstream.ts';
import { converse, openTls, openTunnel, startSetting, statusOf, talk } from './attack.ts';

const ca = createTestCa();
const SECRET = 's3cr3t-0f-the-p0licy';
const LOOPBACK = 'cidr: [127.0.0.1/32, "::1/128"]';
let plain: Upstream;
let secure: Upstream;

before(async () => {
  plain = await startUpstream();
  secure = await startUpstream({ tls: { ca, hosts: ['localhost'] }, http2: true });
});
after(async () => {
  await plain.close();
  await secure.close();
});

const rule = (upstream: Upstream, more = '') =>
  `  - { domain: localhost, port: ${upstream.port}, ${LOOPBACK}${more} }\n`;

test('nothing secret that a client sends is logged, answered or counted', async () => {
  await using setting = await startSetting(`allow:\n${rule(plain, ', path: /ok')}`);
  const place = `localhost:${plain.port}`;
  const s = 'HIDDEN';
  const attempts = [
    `GET http://${place}/ok?token=${s}&${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://${place}/no?token=${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://${place}/a/../b?token=${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://me:${s}@${place}/ok HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET ftp://me:${s}@${place}/ok?${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://${place}/ok#${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://${place}/ok HTTP/1.1\r\nHost: me:${s}@${place}\r\n\r\n`,
    `GET http://${place}/ok HTTP/1.1\r\nHost: ${place}/?${s}\r\n\r\n`,
    `GET /ok?token=${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `CONNECT me:${s}@${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `CONNECT ${place}?${s} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    `GET http://${place}/ok HTTP/1.1\r\nHost: ${place}\r\nAuthorization: Bearer ${s}\r\nCookie: ${s}\r\nProxy-Authorization: Basic ${s}\r\n\r\n`,
    `POST http://${place}/no HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 6\r\n\r\n${s}`,
    `GET http://${place}/ok HTTP/1.1\r\nHost: ${place}\r\nX: ${s}\x00\r\n\r\n`,
  ];
  for (const attempt of attempts) {
    const { result } = await setting.during(() => talk(setting.port, attempt));
    const told = result.text.replace(/\nGET \/ok\S*/, '');
    assert.ok(!told.includes(s), told);
  }
  assert.ok(!JSON.stringify(setting.sidecar.audit()).includes(s));
  assert.ok(!(await setting.metrics()).includes(s));
  assert.ok(!setting.sidecar.stderr().includes(s));
});

test('an injected secret goes to its host alone, replaces the client’s and is nowhere to be read', async () => {
  const policy = `allow:\n${rule(
    secure,
    `, path: /with/*, inject: { header: Authorization, value: "Bearer \${env:THE_SECRET}" }`,
  )}${rule(secure, ', path: /without/*')}`;
  await using setting = await startSetting(policy, { ca, env: { THE_SECRET: SECRET } });
  const bundle = readFileSync(setting.sidecar.bundlePath, 'utf8');
  const place = `localhost:${secure.port}`;
  const ask = async (path: string, headers = '', method = 'GET') => {
    const from = secure.requests.length;
    const { result } = await setting.during(async () =>
      converse(await openTls(setting.port, place, { ca: bundle }), [
        `${method} ${path} HTTP/1.1\r\nHost: ${place}\r\n${headers}\r\n`,
      ]),
    );
    const raw = secure.requests[from]?.rawHeaders ?? [];
    const sent = raw.flatMap((name, i) =>
      i % 2 === 0 && name.toLowerCase() === 'authorization' ? [raw[i + 1]] : [],
    );
    return { status: statusOf(result), sent, text: result.text };
  };
  assert.deepEqual((await ask('/with/x')).sent, [`Bearer ${SECRET}`]);
  assert.deepEqual((await ask('/with/x', 'authorization: mine\r\nAUTHORIZATION: mine\r\n')).sent, [
    `Bearer ${SECRET}`,
  ]);
  assert.deepEqual((await ask('/with/x', 'Connection: authorization\r\n')).sent, [`Bearer ${SECRET}`]);
  assert.deepEqual((await ask('/without/x', 'Authorization: mine\r\n')).sent, ['mine']);
  assert.deepEqual((await ask('/without/x')).sent, []);
  const trace = await ask('/with/x', '', 'TRACE');
  assert.equal(trace.status, 403);
  assert.deepEqual(trace.sent, []);
  // In clear text the rule is no rule.
  const clear = await talk(setting.port, `GET http://${place}/with/x HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  assert.equal(statusOf(clear), 403);

  const { controlUrl, token, policyPath } = setting.sidecar;
  const view = await fetch(`${controlUrl}/v1/policy`, { headers: { authorization: `Bearer ${token}` } });
  const env = { THE_SECRET: SECRET };
  const outputs = [
    JSON.stringify(setting.sidecar.audit()),
    setting.sidecar.stderr(),
    await setting.metrics(),
    await view.text(),
    ...(await Promise.all(
      [
        ['check', policyPath],
        ['check', '--json', policyPath],
        ['explain', '--config', policyPath, 'GET', `https://${place}/with/x`],
        ['explain', '--json', '--config', policyPath, 'GET', `https://${place}/with/x`],
      ].map(async (args) => {
        const { stdout, stderr } = await runBoundary(args, { env });
        return stdout + stderr;
      }),
    )),
    await (async () => {
      const broken = await runBoundary(['check', policyPath], { env: { THE_SECRET: `${SECRET}\nX: y` } });
      assert.equal(broken.code, 1);
      return broken.stdout + broken.stderr;
    })(),
  ];
  for (const output of outputs) assert.ok(!output.includes(SECRET), output);
});

test('lines cannot be forged, moved or stretched by what a client sends', async () => {
  await using setting = await startSetting(`allow:\n${rule(plain)}`);
  const place = `localhost:${plain.port}`;
  const paths = [
    `/${'%0a'}x`,
    '/\x1b[2J\x1b[31mred',
    '/"},{"verdict":"allow","x":"',
    '/\xe2\x80\xaegnp',
    `/${'a'.repeat(40_000)}`,
    `/?${'k'.repeat(30_000)}=1`,
    '/<script>alert(1)</script>',
  ];
  for (const path of paths) {
    await setting.during(() =>
      talk(setting.port, `GET http://${place}${path} HTTP/1.1\r\nHost: ${place}\r\n\r\n`),
    );
  }
  const text = readFileSync(join(setting.sidecar.directory, 'audit.jsonl'));
  for (const octet of text) assert.ok(octet === 0x0a || (octet >= 0x20 && octet < 0x7f), String(octet));
  const lines = text.toString().trimEnd().split('\n');
  assert.equal(lines.length, paths.length);
  for (const line of lines) {
    assert.ok(line.length < 32_768);
    assert.ok(['localhost', null].includes((JSON.parse(line) as { host: string | null }).host));
  }
  assert.ok(!setting.sidecar.stderr().includes('\x1b[2J'));
});

test('metrics have a finite number of series, whatever the traffic', async () => {
  await using setting = await startSetting(`mode: audit\nallow:\n${rule(plain)}`);
  const series = async () =>
    (await setting.metrics()).split('\n').filter((line) => line.startsWith('boundary_')).length;
  const burst = async (label: string) => {
    const requests = Array.from(
      { length: 60 },
      (_, i) =>
        `GET http://10.1.${label}.${i}:${8000 + i}/ HTTP/1.1\r\nHost: 10.1.${label}.${i}:${8000 + i}\r\n\r\n`,
    );
    await setting.during(() => talk(setting.port, requests.join('')), 60);
  };
  await burst('1');
  const before = await series();
  for (const label of ['2', '3', '4', '5']) await burst(label);
  assert.equal(await series(), before);
  assert.doesNotMatch(await setting.metrics(), /10\.1\./);
});

test('a policy that does not load leaves the one in force, and says so', async () => {
  await using setting = await startSetting(`allow:\n${rule(plain)}`);
  const { policyPath } = setting.sidecar;
  const place = `localhost:${plain.port}`;
  const ask = async (path: string) =>
    statusOf(await talk(setting.port, `GET http://${place}${path} HTTP/1.1\r\nHost: ${place}\r\n\r\n`));
  let refusals = 0;
  for (const broken of [
    'allow:\n  - domain: "*"\n    port: any\n  - domain: [\n',
    'allow: [{}]\n',
    `allow:\n${rule(plain)}allow: []\n`,
    'mode: off\n',
    'a: &a [1]\nb: *a\n',
    'files: { read: [/etc] }\nallow: [{ domain: "*" }]\n',
    '\xff\xfe',
  ]) {
    writeFileSync(policyPath, broken, 'latin1');
    setting.sidecar.process.kill('SIGHUP');
    refusals++;
    await setting.sidecar.said(new RegExp(`(?:the policy that was in force stays[\\s\\S]*){${refusals}}`));
    assert.equal(await ask('/x'), 200);
    assert.match(await setting.metrics(), /^boundary_policy_reloads_total\{[^}]*refused[^}]*\} [1-9]/m);
  }
  // The control: one that loads takes its place.
  writeFileSync(`${policyPath}.new`, `allow:\n${rule(plain, ', path: /y')}`);
  renameSync(`${policyPath}.new`, policyPath);
  await setting.sidecar.said(/policy reloaded/);
  assert.equal(await ask('/x'), 403);
  assert.equal(await ask('/y'), 200);
});

test('a file that is being written is not read: neither empty nor in half is it in force', async () => {
  const whole = `allow:\n${rule(plain)}deny:\n  - { domain: localhost, path: /shut/* }\n`;
  await using setting = await startSetting(whole);
  const { policyPath, process } = setting.sidecar;
  const place = `localhost:${plain.port}`;
  const ask = async (path: string) =>
    statusOf(await talk(setting.port, `GET http://${place}${path} HTTP/1.1\r\nHost: ${place}\r\n\r\n`));
  for (let round = 0; round < 30; round++) {
    for (const part of ['', whole.slice(0, whole.indexOf('deny:'))]) {
      writeFileSync(policyPath, part);
      process.kill('SIGHUP');
      writeFileSync(policyPath, whole);
      assert.deepEqual([await ask('/shut/x'), await ask('/open')], [403, 200]);
    }
  }
  process.kill('SIGHUP');
  await setting.sidecar.said(/policy reloaded/);
  assert.deepEqual([await ask('/shut/x'), await ask('/open')], [403, 200]);
});

test('a policy that closes a host cuts what is open to it', async () => {
  const silent = createServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  assert.ok(address !== null && typeof address === 'object');
  const silentPlace = `localhost:${address.port}`;
  const policy = (deny: string) =>
    `allow:\n  - { domain: localhost, port: ${address.port}, ${LOOPBACK} }\n${rule(secure, ', inspect: never')}${rule(plain)}${deny}`;
  await using setting = await startSetting(policy(''), { ca });
  const passing = await openTls(setting.port, `localhost:${secure.port}`, { ca: ca.caPem });
  const idle = await openTunnel(setting.port, `localhost:${plain.port}`);
  const waiting = connect(setting.port, '127.0.0.1');
  for (const socket of [passing, idle.socket, waiting]) socket.on('error', () => {}).resume();
  const arrived = once(silent, 'request');
  waiting.write(`GET http://${silentPlace}/ HTTP/1.1\r\nHost: ${silentPlace}\r\n\r\n`);
  await arrived;
  const closed = Promise.all(
    [passing, idle.socket, waiting].map(
      (socket) => new Promise((resolve) => socket.once('end', resolve).once('close', resolve)),
    ),
  );
  const { lines } = await setting.during(async () => {
    writeFileSync(setting.sidecar.policyPath, policy('deny: [{ domain: localhost }]\n'));
    setting.sidecar.process.kill('SIGHUP');
    await closed;
  }, 2);
  assert.deepEqual(
    lines.filter(({ verdict }) => verdict === 'allow').map(({ error }) => error),
    ['policy-changed', 'policy-changed'],
  );
  silent.closeAllConnections();
  silent.close();
});

test('a burst over a rule’s limit is answered 429 with Retry-After, and other rules go on', async () => {
  await using setting = await startSetting(
    `allow:\n${rule(plain, ', path: /few/*, limits: { requests: 2/h }')}${rule(plain, ', path: /many/*')}`,
  );
  const place = `localhost:${plain.port}`;
  const requests = ['/few/1', '/few/2', '/few/3', '/many/1', '/few/4'].map(
    (path) => `GET http://${place}${path} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
  );
  const heard = await talk(setting.port, requests.join(''));
  const statuses = [...heard.text.matchAll(/HTTP\/1\.1 ([2-5]\d\d) /g)].map(([, status]) => status);
  assert.deepEqual(statuses, ['200', '200', '429', '200', '429']);
  assert.match(heard.text, /Retry-After: \d+/);
});
