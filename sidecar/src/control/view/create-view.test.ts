import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { policyOf } from '../../../../test/harness/rules.ts';
import { createAuditLog } from '../../audit/create-audit-log.ts';
import { type RecentDecisions, watched } from '../../audit/recent-decisions.ts';
import type { AuditLog, VerdictRecord } from '../../audit/types.ts';
import { createMetrics } from '../../metrics/create-metrics.ts';
import { createView, type View, type ViewState } from './create-view.ts';
import type { DoctorFindings } from './doctor-report.ts';

const policy = policyOf({
  hash: 'f'.repeat(64),
  allow: [
    { domains: ['a.example'], inject: { header: 'Authorization', value: 'Bearer TOPSECRET' } },
    { domains: ['b.example'], methods: ['GET'] },
  ],
});
let state: ViewState = {
  workspace: 'dev\u202e',
  owner: 'alice',
  version: '1.2.3',
  readiness: { ready: true, reasons: [] },
  startedAt: 0,
  policySince: 1000,
  isolation: 'container',
  gateConnected: true,
  audit: { healthy: true, droppedLines: 0 },
  deployment: 'https://coder.example.com/path?x',
};
const reports: DoctorFindings[] = [];
let audit: AuditLog;
let recent: RecentDecisions;
let view: View;
let server: Server;

before(async () => {
  ({ audit, recent } = watched(createAuditLog({ metrics: createMetrics().metrics })));
  view = createView({
    recent,
    state: () => state,
    policy: () => policy,
    caPem: () => '-----BEGIN CERTIFICATE-----\n',
    doctor: (findings) => reports.push(findings),
  });
  server = createServer(view.handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(async () => {
  view.close();
  server.close();
  server.closeAllConnections();
  await audit.close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function ask(
  path: string,
  {
    method = 'GET',
    headers = {},
    body = '',
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

function denied(more: Partial<VerdictRecord> = {}): string {
  const entry = audit.open({
    protocol: 'https',
    method: 'POST',
    url: 'https://b.example/<script>?token=TOPSECRET',
    host: 'b.example',
    port: 443,
    address: null,
    claimed: [],
    verdict: 'deny',
    rule: null,
    reason: 'No rule allows it.',
    ...more,
  });
  entry.end({ status: 403, bytesIn: 0, bytesOut: 10, error: null });
  return entry.id;
}

const report = (findings: unknown) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ findings }),
});

describe('the routes of the view', () => {
  for (const [path, status, type] of [
    ['/', 200, /^text\/html/],
    ['/?id=nothing&verdict=odd', 200, /^text\/html/],
    ['/?id=a&id=b', 200, /^text\/html/],
    ['/view.css', 200, /^text\/css/],
    ['/view.js', 200, /^text\/javascript/],
    ['/wording.js', 200, /^text\/javascript/],
    ['/icon.svg', 200, /^image\/svg\+xml/],
    ['/healthz', 200, /^application\/json/],
    ['/ca.pem', 200, /^application\/x-pem-file/],
    ['/bundle.pem', 404, /^application\/json/],
    ['/api/state', 200, /^application\/json/],
    ['/api/decisions', 200, /^application\/json/],
    ['/api/decisions?limit=0', 400, /^application\/json/],
    ['/api/decisions?limit=1e3', 400, /^application\/json/],
    ['/api/decisions?limit=1&limit=2', 400, /^application\/json/],
    ['/api/decisions?limit=999999', 200, /^application\/json/],
    ['/api/denied', 200, /^application\/json/],
    ['/api/denied?limit=-1', 400, /^application\/json/],
    ['/api/explain', 400, /^application\/json/],
    ['/api/explain?id=abc-1', 404, /^application\/json/],
    ['/api/explain?method=GET&url=https://a.example/', 200, /^application\/json/],
    ['/v1/doctor', 404, /^application\/json/],
    ['/API/state', 404, /^application\/json/],
    ['/api/state/', 404, /^application\/json/],
    ['/../view.js', 404, /^application\/json/],
    ['/%zz', 404, /^application\/json/],
    ['/page.ts', 404, /^application\/json/],
  ] as const) {
    it(`${path} is ${status}`, async () => {
      const answer = await ask(path, { headers: { Host: 'boundary--main--dev--alice.apps.example.com' } });
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.headers['content-type'] ?? '', type);
      if (status >= 400) assert.equal(typeof JSON.parse(answer.text).error, 'string');
      const policyText = String(answer.headers['content-security-policy']);
      assert.match(policyText, /^default-src 'none'; script-src 'self'; style-src 'self'/);
      assert.match(policyText, /frame-ancestors 'self' https:\/\/coder\.example\.com;/);
      assert.doesNotMatch(policyText, /unsafe|\*|data:/);
      assert.deepEqual(
        [
          'x-content-type-options',
          'cache-control',
          'referrer-policy',
          'cross-origin-resource-policy',
          'x-powered-by',
          'access-control-allow-origin',
        ].map((name) => answer.headers[name]),
        ['nosniff', 'no-store', 'no-referrer', 'same-origin', undefined, undefined],
      );
      assert.doesNotMatch(answer.text, /TOPSECRET/);
    });
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    it(`${method} changes nothing`, async () => {
      for (const path of ['/', '/api/state', '/api/events', '/policy']) {
        const answer = await ask(path, { method });
        assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD']);
      }
    });
  }

  it('HEAD has the head alone, of a stream as well', async () => {
    for (const path of ['/', '/api/events']) {
      const answer = await ask(path, { method: 'HEAD' });
      assert.deepEqual([answer.status, answer.text], [200, '']);
    }
  });

  it('a deployment whose URL cannot be read frames nothing', async () => {
    const before = state;
    for (const deployment of [null, 'nonsense', 'javascript:alert(1)']) {
      state = { ...before, deployment };
      const answer = await ask('/');
      assert.match(String(answer.headers['content-security-policy']), /frame-ancestors 'self';/);
    }
    state = before;
  });

  it('a fault of ours is named by its class alone', async () => {
    const before = state;
    state = new Proxy(before, {
      get(target, key) {
        if (key === 'readiness') throw new RangeError('TOPSECRET');
        return Reflect.get(target, key);
      },
    });
    const answer = await ask('/api/state');
    state = before;
    assert.deepEqual([answer.status, /RangeError/.test(answer.text)], [500, true]);
    assert.doesNotMatch(answer.text, /TOPSECRET/);
  });
});

describe('the report of the doctor', () => {
  it('is taken, told and shown', async () => {
    const findings = { docker_socket: true, capabilities: false };
    assert.equal((await ask('/v1/doctor', report(findings))).status, 204);
    assert.deepEqual(reports.at(-1), findings);
    const { doctor } = JSON.parse((await ask('/api/state')).text);
    const found = Object.fromEntries(
      doctor.checks.map((one: { check: string; found: boolean | null }) => [one.check, one.found]),
    );
    assert.deepEqual([found.docker_socket, found.capabilities, found.vsock], [true, false, null]);
    assert.match((await ask('/')).text, /docker_socket/);
  });

  for (const [name, sent, status, told] of [
    ['an unknown check', report({ sudo: true }), 400, /no check "sudo"/],
    ['a check of an ancestor', report(JSON.parse('{"__proto__": true}')), 400, /no check "__proto__"/],
    ['a finding that is no boolean', report({ vsock: 1 }), 400, /neither true nor false/],
    ['a list', report([]), 400, /no JSON object/],
    ['no findings', { ...report({}), body: '{}' }, 400, /no JSON object/],
    ['more than findings', { ...report({}), body: '{"findings":{},"x":1}' }, 400, /a key "x"/],
    ['no JSON', { ...report({}), body: '{' }, 400, /cannot be read/],
    ['a large body', { ...report({}), body: `{"findings":{}${' '.repeat(5000)}}` }, 413, /too large/],
    [
      'a form',
      { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=b' },
      415,
      /application\/json/,
    ],
    [
      'text that a page elsewhere may send',
      { ...report({}), headers: { 'Content-Type': 'text/plain' } },
      415,
      /./,
    ],
  ] as const) {
    it(`${name} is refused`, async () => {
      const before = reports.length;
      const answer = await ask('/v1/doctor', sent);
      assert.equal(answer.status, status, answer.text);
      assert.match(JSON.parse(answer.text).error, told);
      assert.equal(reports.length, before);
    });
  }
});

describe('what the view tells of requests', () => {
  it('the last decisions, newest first, without secrets and without control characters', async () => {
    denied();
    const id = denied({ url: null, host: 'h\u202e.example', reason: 'r\u0007' });
    const { decisions } = JSON.parse((await ask('/api/decisions?limit=2')).text);
    assert.equal(decisions.length, 2);
    assert.deepEqual(
      [decisions[0].id, decisions[0].host, decisions[0].reason],
      [id, 'h\\u{202e}.example', 'r\\u{7}'],
    );
    assert.deepEqual(
      [decisions[1].url, decisions[1].status, decisions[1].ended],
      ['https://b.example/<script>?token=***', 403, true],
    );
  });

  it('a denied request, with what would allow it', async () => {
    const id = denied({ url: 'https://b.example/x?token=TOPSECRET' });
    const { decision, remedy } = JSON.parse((await ask(`/api/explain?id=${id}`)).text);
    assert.deepEqual([decision.id, decision.reason], [id, 'No rule allows it.']);
    assert.equal(
      remedy.allow_rule,
      '{ domain: b.example, port: 443, protocol: https, methods: [POST], path: "/x" }',
    );
    const page = (await ask(`/?id=${id}`)).text;
    assert.match(page, /<dialog id="detail"[^>]* open/);
    assert.ok(page.includes('methods: [POST], path: &quot;/x&quot; }'));
    assert.doesNotMatch(page, /TOPSECRET/);
  });

  it('an allowed one needs no remedy', async () => {
    const id = denied({ verdict: 'allow' });
    assert.equal(JSON.parse((await ask(`/api/explain?id=${id}`)).text).remedy, null);
  });

  it('what is denied most', async () => {
    for (let n = 0; n < 5; n++) denied({ url: 'https://tracker.example/', host: 'tracker.example' });
    // For a moment an answer serves everybody who asks.
    let tracker: { count: number; allow_rule: string } | undefined;
    while (tracker === undefined) {
      const { denied: places } = JSON.parse((await ask('/api/denied?limit=50')).text);
      tracker = places.find(({ host }: { host: string }) => host === 'tracker.example');
    }
    assert.equal(tracker.count, 5);
    assert.match(tracker.allow_rule, /^\{ domain: tracker\.example, .*path: "\/" \}$/);
  });

  it('the page holds what was sent as text', async () => {
    denied({ url: 'https://b.example/"><script>alert(1)</script>', reason: '<img src=x onerror=alert(1)>' });
    const { text } = await ask('/');
    assert.doesNotMatch(text, /<script>alert|<img src=x/);
    assert.ok(text.includes('&lt;script&gt;alert(1)&lt;/script&gt;'));
    assert.ok(text.includes('dev\\u{202e}'));
    // Every address is relative, so that it works below any prefix.
    for (const [, address] of text.matchAll(/(?:href|src)="([^"]*)"/g)) {
      assert.match(address ?? '', /^(?:[a-z.-]+$|\?|#|\.\/$)/);
    }
  });
});
