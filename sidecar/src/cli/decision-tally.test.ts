import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logText } from './decision-tally.ts';

test('the summary of a run says what its log lacks', () => {
  assert.equal(logText('a.jsonl', { lines: 0, fault: null }), 'log: a.jsonl');
  assert.match(
    logText('a.jsonl', { lines: 1, fault: 'ENOSPC: no space left on device, write' }),
    /^log: a\.jsonl, which lacks 1 line that could not be written \(ENOSPC: .*\); repair that, /,
  );
});
