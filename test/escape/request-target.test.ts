/** One request, one target: what a request line, a Host header and a connection say is judged, dialled and logged as one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Upstream } from '../harness/upstream.ts';
import { startUpstream } from '../harness/upstream.ts';
import { converse, openTunnel, type Setting, startSetting, statusOf, talk } from './attack.ts';
import { REFUSED } from './refused-requests.ts';

let allowed: Upstream;
let forbidden: Upstream;
let setting: Setting;
let open: Setting;

const LOOPBACK = 'cidr: [127.0.0.0/8, "::1/128"]';

before(async () => {
  [allowed, forbidden] = await Promise.all([startUpstream(), startUpstream()]);
  [setting, open] = await Promise.all([
    startSetting(
      `allow:
  - { domain: localhost, port: ${allowed.port}, ${LOOPBACK}, methods: [GET, POST], path: [/open/*, /] }
deny:
  - { domain: localhost, path: /open/secret/* }
  - { domain: localhost, methods: [TRACE] }
`,
    ),
    startSetting(
      `allow:\n  - { domain: [localhost, "{other}"], port: any, ${LOOPBACK} }\n  - { cidr: 127.0.0.1/32, port: any }\n`,
    ),
  ]);
});
after(async () => {
  await setting[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
  await allowed.close();
  await forbidden.close();
});

/** `{a}` is the allowed authority, `{f}` the forbidden one, `{ip}` the forbidden one by address. */
function filled(text: string, other: string): string {
  return text
    .replaceAll('{a}', `localhost:${allowed.port}`)
    .replaceAll('{f}', `${other}:${forbidden.port}`)
    .replaceAll('{ip}', `127.0.0.1:${forbidden.port}`)
    .replaceAll('{ap}', String(allowed.port))
    .replaceAll('\n', '\r\n');
}

for (const [name, { request, status, control }] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, async () => {
    const other = setting.otherName;
    const before = [allowed.requests.length, forbidden.bytes()];
    const text = filled(request, other).replaceAll('{fp}', String(forbidden.port));
    const { result, lines } = await setting.during(() => talk(setting.port, text));
    assert.equal(statusOf(result), status, result.text);
    assert.deepEqual([allowed.requests.length, forbidden.bytes()], before);
    assert.equal(lines.length, 1, JSON.stringify(lines));
    assert.equal(lines[0]?.verdict, 'deny');
    assert.notEqual(lines[0]?.reason, '');
    if (control === undefined) return;
    const through = await talk(open.port, filled(control, other));
    assert.equal(statusOf(through), 200, through.text);
  });
}

for (const [name, spelling] of Object.entries({
  'in capitals': 'LOCALHOST',
  'with a dot at its end': 'localhost.',
})) {
  test(`a host ${name} is the same host in the verdict, the log and what the upstream is told`, async () => {
    const from = allowed.requests.length;
    const request = `GET http://${spelling}:${allowed.port}/open/%41?q HTTP/1.1\r\nHost: ${spelling}:${allowed.port}\r\n\r\n`;
    const { result, lines } = await setting.during(() => talk(setting.port, request));
    assert.equal(statusOf(result), 200);
    assert.equal(lines[0]?.host, 'localhost');
    assert.equal(lines[0]?.url, `http://localhost:${allowed.port}/open/A?***`);
    const seen = allowed.requests[from];
    assert.equal(seen?.url, '/open/A?q');
    assert.deepEqual(seen?.rawHeaders.slice(0, 2), ['Host', `localhost:${allowed.port}`]);
  });
}

const CONNECTS: Record<string, [authority: string, headers: string, status: number]> = {
  'to a name that no rule has': ['{f}', 'Host: {f}', 403],
  'with another Host': ['{a}', 'Host: {f}', 400],
  'with two Hosts': ['{a}', 'Host: {a}\nHost: {a}', 400],
  'without a port': ['localhost', 'Host: localhost', 400],
  'with a user name': ['localhost@{f}', 'Host: {f}', 400],
  'with a path': ['{a}/x', 'Host: {a}', 400],
  'with a scheme': ['http://{a}', 'Host: {a}', 400],
  'to an odd address': ['127.1:{ap}', 'Host: 127.1:{ap}', 400],
  'to an address that claims the name': ['127.0.0.1:{ap}', 'Host: {a}', 400],
  'to another port of an allowed name': ['localhost:{fp}', 'Host: localhost', 403],
};
for (const [name, [authority, headers, status]] of Object.entries(CONNECTS)) {
  test(`CONNECT ${name} is refused and recorded`, async () => {
    const text = `CONNECT ${authority} HTTP/1.1\n${headers}\n\nGET /open/x HTTP/1.1\nHost: {f}\n\n`;
    const before = [allowed.requests.length, forbidden.bytes()];
    const { result, lines } = await setting.during(() =>
      talk(setting.port, filled(text, setting.otherName).replaceAll('{fp}', String(forbidden.port))),
    );
    assert.equal(statusOf(result), status, result.text);
    assert.deepEqual([allowed.requests.length, forbidden.bytes()], before);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

const INSIDE: Record<string, [request: string, status: number]> = {
  'for another host': ['GET /open/x HTTP/1.1\nHost: {f}\n\n', 400],
  'for another host in its request line': ['GET http://{f}/open/x HTTP/1.1\nHost: {f}\n\n', 400],
  'for https on a plain connection': ['GET https://{a}/open/x HTTP/1.1\nHost: {a}\n\n', 400],
  'without a Host': ['GET /open/x HTTP/1.1\n\n', 400],
  'for a path that is not allowed': ['GET /admin HTTP/1.1\nHost: {a}\n\n', 403],
  'that is a CONNECT itself': ['CONNECT {f} HTTP/1.1\nHost: {f}\n\n', 403],
  'that is a CONNECT to an allowed host': ['CONNECT {a} HTTP/1.1\nHost: {a}\n\n', 403],
  'that is a CONNECT to the proxy': ['CONNECT 127.0.0.1:{pp} HTTP/1.1\nHost: 127.0.0.1:{pp}\n\n', 403],
};
for (const [name, [request, status]] of Object.entries(INSIDE)) {
  test(`a request ${name} inside a plain CONNECT is refused`, async () => {
    const before = [allowed.requests.length, forbidden.bytes()];
    const text = filled(request, setting.otherName).replaceAll('{pp}', String(setting.port));
    const { result, lines } = await setting.during(async () => {
      const tunnel = await openTunnel(setting.port, `localhost:${allowed.port}`);
      assert.equal(tunnel.status, 200);
      return converse(tunnel.socket, [text]);
    });
    assert.equal(statusOf(result), status, result.text);
    assert.deepEqual([allowed.requests.length, forbidden.bytes()], before);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.verdict, 'deny');
  });
}

test('the control: a request for the connection’s own host gets through', async () => {
  const tunnel = await openTunnel(setting.port, `localhost:${allowed.port}`);
  const heard = await converse(tunnel.socket, [
    `GET /open/x HTTP/1.1\r\nHost: localhost:${allowed.port}\r\n\r\n`,
  ]);
  assert.equal(statusOf(heard), 200);
});

test('afterwards the process lives', () => setting.alive());
