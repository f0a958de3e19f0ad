import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResolveError } from '../resolver/resolve-error.ts';
import type { TunnelTarget } from '../target/types.ts';
import { lookupDenial } from './verdict.ts';

const target: TunnelTarget = { kind: 'tunnel', protocol: 'tls', host: 'a.test', hostKind: 'name', port: 443 };

test('a failed lookup is told once, with its name', () => {
  const absent = lookupDenial(target, ResolveError.from('a.test', { code: 'ENOTFOUND' }));
  assert.equal(absent.status, 502);
  assert.equal(absent.reason, 'The name a.test does not resolve; is it spelled right?');
  assert.equal(lookupDenial(target, new ResolveError('timeout', 'late')).status, 504);
  assert.equal(
    lookupDenial(target, new Error('out of threads')).reason,
    'The lookup of a.test failed: out of threads',
  );
});
