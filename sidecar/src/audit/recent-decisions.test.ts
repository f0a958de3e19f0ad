import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { watched } from './recent-decisions.ts';
import type { AuditLog, Outcome, VerdictRecord, VerdictWord } from './types.ts';

/** A log that numbers what it is told and remembers it. */
function bareLog() {
  const told: string[] = [];
  let healthy = true;
  let seq = 0;
  const audit: AuditLog = {
    run: 'abc123',
    get healthy() {
      return healthy;
    },
    open(verdict) {
      const id = `abc123-${++seq}`;
      told.push(`${id} ${verdict.verdict}`);
      return {
        seq,
        id,
        address: (address) => told.push(`${id} at ${address}`),
        end: ({ status }) => told.push(`${id} ended ${status}`),
      };
    },
    async flush() {
      told.push('flush');
    },
    async close() {
      told.push('close');
    },
  };
  return {
    audit,
    told,
    fail() {
      healthy = false;
    },
  };
}

function verdict(word: VerdictWord, more: Partial<VerdictRecord> = {}): VerdictRecord {
  return {
    protocol: 'https',
    method: 'GET',
    url: 'https://a.example/',
    host: 'a.example',
    port: 443,
    address: null,
    claimed: [],
    verdict: word,
    rule: null,
    reason: 'because',
    ...more,
  };
}

const ended: Outcome = { status: 200, bytesIn: 3, bytesOut: 5, error: null };

describe('an audit log that is watched', () => {
  it('is told everything, and answers as it does', async () => {
    const log = bareLog();
    const { audit } = watched(log.audit);
    const entry = audit.open(verdict('allow'));
    assert.deepEqual([entry.seq, entry.id, audit.run, audit.healthy], [1, 'abc123-1', 'abc123', true]);
    entry.address('192.0.2.1');
    entry.end(ended);
    await audit.flush();
    await audit.close();
    log.fail();
    assert.equal(audit.healthy, false);
    assert.deepEqual(log.told, [
      'abc123-1 allow',
      'abc123-1 at 192.0.2.1',
      'abc123-1 ended 200',
      'flush',
      'close',
    ]);
  });

  it('remembers a decision at its verdict and fills in its end', () => {
    let time = 1000;
    const { audit, recent } = watched(bareLog().audit, { now: () => time });
    const entry = audit.open(verdict('allow'));
    const [open] = recent.latest();
    assert.equal(open?.outcome, null);
    time = 1250;
    entry.address('192.0.2.1');
    entry.end(ended);
    entry.end({ ...ended, status: 500 });
    const [known] = recent.latest();
    assert.equal(known?.outcome?.status, 200);
    assert.equal(known?.duration, 250);
    assert.equal(known?.request.time, 1000);
    assert.equal(known?.request.address, '192.0.2.1');
    assert.deepEqual(recent.counters, {
      allowed: 1,
      denied: 0,
      wouldDeny: 0,
      open: 0,
      failed: 0,
      bytesIn: 3,
      bytesOut: 5,
    });
    // What was read before is not changed by what comes.
    assert.equal(open?.outcome, null);
  });

  it('keeps the last of each kind: neither pushes the other out', () => {
    const { audit, recent } = watched(bareLog().audit, { keep: 3 });
    audit.open(verdict('deny'));
    for (let n = 0; n < 10; n++) audit.open(verdict('allow'));
    audit.open(verdict('would-deny'));
    assert.deepEqual(
      recent.latest().map(({ id }) => id),
      ['abc123-12', 'abc123-11', 'abc123-10', 'abc123-9', 'abc123-1'],
    );
    assert.deepEqual(
      recent.latest(2).map(({ request }) => request.verdict),
      ['would-deny', 'allow'],
    );
  });

  it('counts the end of a request whose place was taken, and leaves the newer one alone', () => {
    const { audit, recent } = watched(bareLog().audit, { keep: 1 });
    const old = audit.open(verdict('allow'));
    audit.open(verdict('allow', { url: 'https://new.example/' }));
    old.address('192.0.2.9');
    old.end({ ...ended, error: 'upstream-reset' });
    const [newer] = recent.latest();
    assert.deepEqual([newer?.request.address, newer?.outcome], [null, null]);
    assert.deepEqual([recent.counters.open, recent.counters.failed], [1, 1]);
  });

  it('finds a request by its id: in the lists, or as the last that was denied somewhere', () => {
    const { audit, recent } = watched(bareLog().audit, { keep: 1 });
    audit.open(verdict('deny', { host: 'first.example' }));
    audit.open(verdict('deny', { host: 'second.example' }));
    assert.equal(recent.find('abc123-2')?.request.host, 'second.example');
    assert.equal(recent.find('abc123-1')?.request.host, 'first.example');
    for (const id of ['abc123-3', 'other-1', 'abc123-', '', 'abc123-01', 'abc123-1.0', '-1']) {
      assert.equal(recent.find(id), null, id);
    }
  });

  it('tells listeners of every change until they leave', () => {
    const { audit, recent } = watched(bareLog().audit);
    let told = 0;
    const leave = recent.subscribe(() => told++);
    const entry = audit.open(verdict('allow'));
    entry.end(ended);
    assert.equal(told, 2);
    leave();
    audit.open(verdict('allow'));
    assert.equal(told, 2);
  });

  it('says what changed since a revision, each decision once, as it stands', () => {
    const { audit, recent } = watched(bareLog().audit);
    const first = audit.open(verdict('allow'));
    audit.open(verdict('deny'));
    const { revision } = recent;
    assert.deepEqual(recent.changedSince(revision), []);
    first.end(ended);
    audit.open(verdict('allow'));
    const changed = recent.changedSince(revision);
    assert.deepEqual(
      changed.map(({ id, outcome }) => [id, outcome?.status]),
      [
        ['abc123-1', 200],
        ['abc123-3', undefined],
      ],
    );
    assert.equal(changed.at(-1)?.revision, recent.revision);
  });

  it('whoever followed the changes knows what is remembered', () => {
    const step = fc.oneof(
      fc.record({ open: fc.constantFrom<VerdictWord>('allow', 'deny', 'would-deny') }),
      fc.record({ end: fc.nat(30) }),
      fc.constant({ look: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { audit, recent } = watched(bareLog().audit, { keep: 4, now: () => 0 });
        const entries: ReturnType<AuditLog['open']>[] = [];
        const known = new Map<string, unknown>();
        let revision = 0;
        for (const one of steps) {
          if ('open' in one) entries.push(audit.open(verdict(one.open)));
          else if ('end' in one) entries[one.end]?.end(ended);
          else {
            for (const { id, outcome } of recent.changedSince(revision)) known.set(id, outcome);
            revision = recent.revision;
          }
        }
        for (const { id, outcome } of recent.changedSince(revision)) known.set(id, outcome);
        for (const { id, outcome } of recent.latest()) assert.deepEqual(known.get(id), outcome);
        assert.ok(recent.latest().length <= 8);
      }),
    );
  });
});

describe('what is kept of a request', () => {
  const secret = 'SECRET-VALUE';

  it('shows query values masked, and judges by what was asked', () => {
    const { audit, recent } = watched(bareLog().audit);
    const url = `https://git.example/a/b/info/refs?service=git-receive-pack&token=${secret}`;
    audit.open(verdict('deny', { url }));
    const [known] = recent.latest();
    assert.equal(known?.request.url, 'https://git.example/a/b/info/refs?service=***&token=***');
    assert.equal(known?.request.askedUrl(), url);
    assert.doesNotMatch(JSON.stringify([recent.latest(), recent.deniedMost()]), /SECRET/);
  });

  it('masks before it cuts, wherever the cut falls', () => {
    const { audit, recent } = watched(bareLog().audit);
    for (let pad = 1980; pad < 2080; pad += 7) {
      audit.open(verdict('deny', { url: `https://a.example/?${'k'.repeat(pad)}=${secret}&b=${secret}` }));
      audit.open(verdict('deny', { url: `https://${'u'.repeat(pad)}:${secret}@a.example/` }));
    }
    for (const { request } of recent.latest()) {
      assert.ok((request.url?.length ?? 0) <= 2048 + 3);
      assert.doesNotMatch(request.url ?? '', /SECRET|uuu/);
    }
  });

  it('is bounded, whatever was sent', () => {
    const { audit, recent } = watched(bareLog().audit);
    const long = 'x'.repeat(1_000_000);
    audit.open(verdict('deny', { url: `https://a.example/${long}`, reason: long, method: long, host: long }));
    const [known] = recent.latest();
    const { url, reason, method, host } = known?.request ?? {};
    assert.deepEqual(
      [url, reason, method, host].map((text) => text?.length),
      [2051, 1027, 67, 515],
    );
    assert.equal(known?.request.askedUrl(), null);
  });

  it('holds no secret of the rule that decided', () => {
    const { audit, recent } = watched(bareLog().audit);
    const rule = {
      id: 0,
      effect: 'allow',
      file: 'p.yaml',
      line: 3,
      column: 5,
      label: 'p.yaml:3',
      spec: { domains: ['a.example'], inject: { header: 'Authorization', value: secret } },
    } as const;
    audit.open(verdict('allow', { rule }));
    const [known] = recent.latest();
    assert.deepEqual(known?.request.rule, { file: 'p.yaml', line: 3 });
    assert.doesNotMatch(JSON.stringify(known), /SECRET/);
  });
});
