import assert from 'node:assert/strict';
import { test } from 'node:test';
import { http2Target } from './http2-target.ts';
import { urlOf } from './target-text.ts';
import type { Endpoint, HttpTarget, Parsed } from './types.ts';

const ENDPOINT: Endpoint = { host: 'a.example', hostKind: 'name', port: 443 };

/** `METHOD URL`, with the upgrade where there is one; or the status of the refusal. */
function outcome(parsed: Parsed<HttpTarget>): string | number {
  if (!parsed.ok) return parsed.refusal.status;
  const { method, upgrade } = parsed.value;
  return `${method} ${urlOf(parsed.value)}${upgrade === null ? '' : ` upgrade=${upgrade}`}`;
}

const H2 = [':method', 'GET', ':scheme', 'https', ':path', '/x?q'];

test('an HTTP/2 request is for the host of its connection', () => {
  const h2 = (rawHeaders: string[], serverName: string | null = 'a.example') =>
    outcome(http2Target({ scheme: 'https', rawHeaders, endpoint: ENDPOINT, serverName }));
  const fine = 'GET https://a.example/x?q';
  const cases: readonly [string | number, string[]][] = [
    [fine, [...H2, ':authority', 'A.example']],
    [fine, [...H2, ':authority', 'a.example:443', 'host', 'a.example', 'te', 'trailers']],
    [fine, [...H2, 'host', 'a.example']],
    [421, [...H2, ':authority', 'b.example']],
    [421, [...H2, ':authority', 'a.example:8443']],
    [421, [...H2, 'host', 'b.example']],
    [400, [...H2, ':authority', 'a.example', 'host', 'b.example']],
    [400, [...H2, ':authority', 'a.example', ':authority', 'a.example']],
    [400, [...H2, ':authority', 'a.example', ':path', '/y']],
    [400, [...H2, ':authority', 'a.example', ':unknown', 'x']],
    [400, [...H2, ':authority', 'a.example', 'connection', 'upgrade']],
    [400, [...H2, ':authority', 'a.example', 'transfer-encoding', 'chunked']],
    [400, H2],
    [400, [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a.example']],
    [400, [':method', 'GET', ':scheme', 'https', ':path', '', ':authority', 'a.example']],
    [400, [':method', 'GET', ':scheme', 'https', ':path', 'https://b.example/', ':authority', 'a.example']],
    [400, [':method', 'CONNECT', ':authority', 'a.example:443']],
    [400, [':method', 'CONNECT', ':scheme', 'https', ':path', '/', ':authority', 'a.example']],
    [501, [':method', 'BREW', ':scheme', 'https', ':path', '/', ':authority', 'a.example']],
    [
      414,
      [':method', 'GET', ':scheme', 'https', ':path', `/${'a'.repeat(65_536)}`, ':authority', 'a.example'],
    ],
    [
      'GET https://a.example/ws upgrade=websocket',
      [
        ':method',
        'CONNECT',
        ':protocol',
        'websocket',
        ':scheme',
        'https',
        ':path',
        '/ws',
        ':authority',
        'a.example',
      ],
    ],
    [400, [...H2, ':authority', 'a.example', ':protocol', 'websocket']],
  ];
  for (const [expected, headers] of cases)
    assert.equal(h2(headers), expected, headers.join(' ').slice(0, 100));
  assert.equal(h2([...H2, ':authority', 'a.example'], 'b.example'), 421);
});
