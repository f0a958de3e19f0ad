import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { UpstreamClient } from '../../sidecar/src/proxy/upstream-types.ts';
import { createTestCa } from '../harness/test-ca.ts';
import { startUpstream } from '../harness/upstream.ts';
import {
  exchangeRaw,
  LOOPBACK,
  openTlsTunnel,
  policyOf,
  readAll,
  readUntil,
  startProxy,
} from './proxy-under-test.ts';

const get = (authority: string, path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`;

/** An upstream of which only the beginning of a request is of interest. */
function standIn(request: UpstreamClient['request']): UpstreamClient {
  return {
    request,
    requestHttp2: () => assert.fail('not asked for'),
    connect: () => assert.fail('not asked for'),
    async close() {},
  };
}

test('a secret goes only to addresses that its own rule holds for', async () => {
  const ca = createTestCa();
  const upstream = await startUpstream({ tls: { ca, hosts: ['api.test'] } });
  const inject = { header: 'Authorization', value: 'Bearer secret' };
  const boundary = await startProxy({
    upstreamCa: ca,
    policy: policyOf([
      { domains: ['api.test'], ports: 'any', cidrs: ['203.0.113.0/24'], inject },
      { domains: ['api.test'], ports: 'any', cidrs: LOOPBACK },
    ]),
  });
  const authority = `api.test:${upstream.port}`;
  const ask = async () => {
    const tls = await openTlsTunnel(boundary.port, authority, { ca: boundary.caPem });
    tls.write(get(authority, '/'));
    assert.match(await readAll(tls), /^HTTP\/1\.1 200/);
    return upstream.requests.at(-1)?.rawHeaders.includes('Bearer secret');
  };
  assert.equal(await ask(), false);
  boundary.use(policyOf([{ domains: ['api.test'], ports: 'any', cidrs: LOOPBACK, inject }]));
  assert.equal(await ask(), true);
  await boundary.close();
  await upstream.close();
});

test('an address that was refused is in the record', async () => {
  const boundary = await startProxy({ policy: policyOf([{ domains: ['inner.test'], ports: 'any' }]) });
  assert.match(await exchangeRaw(boundary.port, get('inner.test', 'http://inner.test/')), /^HTTP\/1\.1 403/);
  assert.equal((await boundary.lastEnded()).address, '127.0.0.1');
  await boundary.close();
});

test('a reload that refuses an address cuts a request that is still being connected to it', async () => {
  const { promise: dialled, resolve } = Promise.withResolvers<void>();
  let aborted = 0;
  const upstream = standIn(() => {
    resolve();
    return { resume() {}, abort: () => aborted++ };
  });
  const rule = { domains: ['inner.test'], cidrs: LOOPBACK };
  const boundary = await startProxy({ policy: policyOf([rule]), proxy: { upstream } });
  const answer = exchangeRaw(boundary.port, get('inner.test', 'http://inner.test/'));
  await dialled;
  boundary.use(policyOf([rule]));
  assert.equal(aborted, 0);
  boundary.use(policyOf([rule, { effect: 'deny', cidrs: ['127.0.0.0/8'] }]));
  assert.equal(aborted, 1);
  assert.equal(await answer, '');
  assert.equal((await boundary.lastEnded()).outcome?.error, 'policy-changed');
  await boundary.close();
});

test('behind a corporate proxy, its own address is nothing that a reload would judge', async () => {
  const upstream = await startUpstream({
    handler: (_request, response) => {
      response.statusCode = 200;
      response.write('begun');
    },
  });
  const policy = () => policyOf([{ domains: ['outer.test'], ports: 'any' }]);
  const { createUpstream } = await import('../../sidecar/src/proxy/upstream/create-upstream.ts');
  const { createMetrics } = await import('../../sidecar/src/metrics/create-metrics.ts');
  const { metrics } = createMetrics();
  const chain = createUpstream({ ca: [], metrics, proxy: { url: `http://127.0.0.1:${upstream.port}` } });
  const boundary = await startProxy({ policy: policy(), proxy: { upstream: chain, chained: true } });
  const client = connect(boundary.port, '127.0.0.1');
  client.write(get('outer.test', 'http://outer.test/'));
  await readUntil(client, 'begun');
  boundary.use(policy());
  assert.equal(boundary.records.at(-1)?.outcome, null);
  client.destroy();
  await boundary.lastEnded();
  await boundary.close();
  await chain.close();
  await upstream.close();
});

test('an upgrade to h2c passes in no mode', async () => {
  const boundary = await startProxy({
    policy: policyOf([{ domains: ['outer.test'] }], { mode: 'audit' }),
    names: { 'outer.test': ['1.2.3.4'] },
    proxy: { upstream: standIn(() => assert.fail('it was sent')) },
  });
  const answer = await exchangeRaw(
    boundary.port,
    'GET http://outer.test/ HTTP/1.1\r\nHost: outer.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 403 /);
  assert.match(answer, /An upgrade to h2c never passes/);
  await boundary.close();
});

test('a refused CONNECT ends its connection, also where the client holds on to it', async () => {
  const boundary = await startProxy({ policy: policyOf([]) });
  const client = connect({ port: boundary.port, host: '127.0.0.1', allowHalfOpen: true });
  client.write('CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test:443\r\n\r\n');
  assert.match(await readUntil(client, 'Request id'), /^HTTP\/1\.1 403/);
  client.resume().on('error', () => {});
  const closed = new Promise((resolve) => client.once('close', resolve));
  const talk = setInterval(() => client.write('still here'), 50);
  await closed;
  clearInterval(talk);
  await boundary.close();
});
