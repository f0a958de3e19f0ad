import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { WebSocketServer } from 'ws';
import {
  allowing,
  auditLine,
  behindBoundary,
  type Site,
  startSite,
  told,
} from '../harness/behind-boundary.ts';

const node = process.execPath;
const wsModule = pathToFileURL(join(import.meta.dirname, '../../node_modules/ws/wrapper.mjs')).href;

/** Answers each message with itself, over every upgrade that reaches it. */
async function echoing(tls: boolean): Promise<Site> {
  const site = await startSite({ tls });
  const sockets = new WebSocketServer({ noServer: true });
  site.server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
    });
  });
  return site;
}

// ws knows no proxy variables: an agent makes its CONNECT, as https-proxy-agent does.
const CLIENT = `
import { Agent, request } from 'node:http';
import { connect } from 'node:tls';
import WebSocket from '${wsModule}';
const url = new URL(process.argv[1]);
const proxy = new URL(process.env.HTTPS_PROXY);
const agent = new Agent();
agent.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
agent.createConnection = (_options, done) => {
  const tunnel = request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: url.host });
  tunnel.on('error', done).on('connect', (answer, socket) => {
    if (answer.statusCode !== 200) return done(new Error('CONNECT answered ' + answer.statusCode));
    done(null, url.protocol === 'wss:' ? connect({ socket, servername: url.hostname }) : socket);
  }).end();
};
const client = new WebSocket(url, { agent });
client.on('unexpected-response', (_request, answer) => { console.log('refused', answer.statusCode); process.exit(3); });
client.on('error', (fault) => { console.log(fault.message); process.exit(4); });
const sent = ['text', Buffer.alloc(300_000, 7), 'last'];
let seen = 0;
client.on('open', () => client.send(sent[0]));
client.on('message', (data, isBinary) => {
  const same = isBinary ? Buffer.compare(data, sent[seen]) === 0 : data.toString() === sent[seen];
  console.log(isBinary ? 'binary' : 'text', data.length, same);
  if (++seen < sent.length) client.send(sent[seen]);
  else client.close(4001, 'done');
});
client.on('close', (code, reason) => console.log('closed', code, reason.toString()));
`;

const EXPECTED = ['text 4 true', 'binary 300000 true', 'text 4 true', 'closed 4001 done'];

for (const tls of [true, false]) {
  const scheme = tls ? 'wss' : 'ws';
  test(`ws over ${scheme} inside a CONNECT: messages both ways, the close code, both audit lines`, async () => {
    await using site = await echoing(tls);
    const url = `${scheme}://${site.authority}/socket`;
    const result = await behindBoundary(
      { policy: allowing(`${site.rule}\n    methods: [GET]\n    path: /socket`) },
      node,
      '--input-type=module',
      '-e',
      CLIENT,
      url,
    );
    assert.deepEqual(result.stdout.trim().split('\n'), EXPECTED, told(result));
    const line = auditLine(result, {
      verdict: 'allow',
      method: 'GET',
      status: 101,
      url: `${site.origin}/socket`,
    });
    assert.ok(Number(line.bytes_in) > 300_000 && Number(line.bytes_out) > 300_000);
  });
}

test('ws is denied by path: 403 to its handshake, nothing for the upstream', async () => {
  await using site = await echoing(true);
  const result = await behindBoundary(
    { policy: allowing(`${site.rule}\n    path: /other`) },
    node,
    '--input-type=module',
    '-e',
    CLIENT,
    `wss://${site.authority}/socket`,
  );
  assert.equal(result.stdout, 'refused 403\n', told(result));
  assert.equal(site.connections(), 0);
  auditLine(result, { verdict: 'deny', method: 'GET', url: `${site.origin}/socket`, status: 403 });
});

test("Node's own WebSocket goes through the proxy variables", async () => {
  await using site = await echoing(true);
  const script = `
    const socket = new WebSocket(process.argv[1]);
    // Over HTTP/2 an open WebSocket does not keep this Node alive.
    const alive = setInterval(() => {}, 60_000);
    socket.onclose = () => clearInterval(alive);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }) => { console.log(data); socket.close(); };
    socket.onerror = ({ message, error }) => console.log('error', message, error?.cause?.message);`;
  const url = `wss://${site.authority}/socket`;
  const allowed = await behindBoundary({ policy: allowing(site.rule) }, node, '-e', script, url);
  assert.equal(allowed.stdout, 'hello\n', told(allowed));
  auditLine(allowed, { verdict: 'allow', status: 101 });
  const bytes = site.bytes();
  const denied = await behindBoundary(
    { policy: allowing(`${site.rule}\n    path: /other`) },
    node,
    '-e',
    script,
    url,
  );
  assert.match(denied.stdout, /^error/, told(denied));
  assert.equal(site.bytes(), bytes);
  auditLine(denied, { verdict: 'deny', status: 403 });
});
