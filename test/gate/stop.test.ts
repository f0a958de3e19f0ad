import assert from 'node:assert/strict';
import { it } from 'node:test';
import { allowing, startSite } from '../harness/behind-boundary.ts';
import { confinedNamespace } from '../harness/confined-namespace.ts';

// Less than a gate's patience, with which it would begin to reset what the sidecar's copies of its sockets are to take.
it('a gate that is told to stop ends at once, and the sidecar serves on', { timeout: 9_000 }, async () => {
  await using site = await startSite({ tls: false });
  await using namespace = await confinedNamespace({ policy: allowing(site.rule) });
  await namespace.gate.stop('SIGTERM');
  assert.match(namespace.gate.stderr(), /stopped; the namespace stays closed\n$/);
  const served = await namespace.run('curl', ['-sS', '-m', '8', `http://${site.authority}/`]);
  assert.equal(served.stdout, 'GET / 0\n', served.stderr);
});
