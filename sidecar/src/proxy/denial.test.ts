import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Denial, ownAnswer } from './denial.ts';

const denial: Denial = {
  status: 403,
  reason: 'No rule allows GET https://example.org/.',
  remedy: 'add { domain: example.org } to "allow"',
  rule: null,
};

const advice =
  'This is a decision, not a fault. Do not try to get there another way: it will be refused and recorded as well. If you need it, ask the people who keep the policy and show them this message. They could add { domain: example.org } to "allow".';

test('a denial says what was found, the request id, and once what to do', () => {
  assert.equal(
    ownAnswer(denial, 'r-1', false).body.toString(),
    `boundary denied this request.\nReason: No rule allows GET https://example.org/.\nRequest id: r-1\n${advice}\n`,
  );
  assert.deepEqual(JSON.parse(ownAnswer(denial, 'r-1', true).body.toString()), {
    error: 'denied_by_boundary',
    status: 403,
    reason: denial.reason,
    rule: null,
    request_id: 'r-1',
    what_to_do: advice,
  });
});

test('what is no decision of the policy comes without advice', () => {
  const failed = ownAnswer({ status: 502, reason: 'Connection refused.', rule: null }, 'r-2', false);
  assert.equal(
    failed.body.toString(),
    'boundary: 502 Bad Gateway.\nReason: Connection refused.\nRequest id: r-2\n',
  );
});
