import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';

const execute = promisify(execFile);

it('the demo allows one request, denies another, and shows the records and metrics of both', async () => {
  const { stdout } = await execute(process.execPath, [join(import.meta.dirname, '../../scripts/demo.ts')]);
  assert.match(stdout, /hello from behind the boundary/);
  assert.match(stdout, /The upstream saw: GET \/api\/greeting\n/);
  assert.match(stdout, /boundary denied this request/);
  for (const [verdict, method] of [
    ['allow', 'GET'],
    ['deny', 'DELETE'],
  ]) {
    assert.match(stdout, new RegExp(`"method":"${method}".*"verdict":"${verdict}"`));
    assert.match(
      stdout,
      new RegExp(`boundary_decisions_total\\{verdict="${verdict}",.*method="${method}".*\\} 1`),
    );
  }
});
