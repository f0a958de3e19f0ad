import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../metrics/create-metrics.ts';
import { createMetricsListener } from './metrics-listener.ts';

test('metrics and health, for anybody, and nothing else', async () => {
  const { registry } = createMetrics({ version: '0' });
  let ready = false;
  const listener = await createMetricsListener({
    listen: { host: '127.0.0.1', port: 0 },
    registry,
    ready: () => ({ ready, reasons: ready ? [] : ['not yet'] }),
  });
  const origin = `http://127.0.0.1:${listener.address.port}`;
  const metrics = await fetch(`${origin}/metrics`, { headers: { Host: 'prometheus.example' } });
  assert.match(String(metrics.headers.get('content-type')), /^text\/plain; version=0\.0\.4/);
  assert.match(await metrics.text(), /^boundary_connections\{kind="client"\} 0$/m);
  assert.equal((await fetch(`${origin}/healthz`)).status, 200);
  assert.equal((await fetch(`${origin}/readyz`)).status, 503);
  ready = true;
  assert.equal((await fetch(`${origin}/readyz`)).status, 200);
  for (const path of ['/v1/policy', '/v1/explain?method=GET&url=http://x/', '/']) {
    assert.equal((await fetch(origin + path)).status, 404, path);
  }
  assert.equal((await fetch(`${origin}/metrics`, { method: 'POST' })).status, 404);
  await listener.close();
});
