import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Asked, dnsQuery, readAnswer, TYPES, wireName } from '../../../test/harness/dns-message.ts';
import { emptyAnswer, encodeDnsAnswer, encodeDnsError } from './dns-answer.ts';
import { DNS_RCODE, type DnsRcode } from './dns-codes.ts';
import { type DnsQuestion, readDnsQuestion } from './dns-question.ts';

function question(asked: Asked): DnsQuestion {
  const reading = readDnsQuestion(dnsQuery(asked));
  assert.ok(reading.kind === 'question');
  return reading;
}

const address = (text: string) => ({ type: 'A', address: text }) as const;

test('an address answers with the name as it was asked for', () => {
  const asked = question({ id: 0xabcd, name: 'GitHub.COM', edns: { flags: 0x8000 } });
  const octets = encodeDnsAnswer(asked, { rcode: DNS_RCODE.NOERROR, data: address('198.18.3.7'), ttl: 60 });
  assert.deepEqual(readAnswer(octets), {
    id: 0xabcd,
    flags: ['qr', 'rd', 'ra'],
    opcode: 0,
    rcode: 'NOERROR',
    questions: ['GitHub.COM 1 1'],
    records: [{ name: 'GitHub.COM', type: TYPES.A, class: 1, ttl: 60, data: '198.18.3.7' }],
    edns: { size: 1232, version: 0, flags: 0x8000 },
  });
});

test('a name answers a reverse question', () => {
  const asked = question({ name: '7.3.18.198.in-addr.arpa', type: TYPES.PTR });
  const answer = readAnswer(
    encodeDnsAnswer(asked, { rcode: DNS_RCODE.NOERROR, data: { type: 'PTR', name: 'github.com' }, ttl: 5 }),
  );
  assert.deepEqual(answer.records, [
    { name: '7.3.18.198.in-addr.arpa', type: TYPES.PTR, class: 1, ttl: 5, data: 'github.com' },
  ]);
});

test('an answer says of RD, CD and EDNS what the question did', () => {
  for (const [flags, expected] of [
    [0, ['qr', 'ra']],
    [0x0100, ['qr', 'rd', 'ra']],
    [0x0110, ['qr', 'rd', 'ra', 'cd']],
    // AD in a question asks for something that is not to be had; Z means nothing.
    [0x0160, ['qr', 'rd', 'ra']],
  ] as const) {
    const answer = readAnswer(encodeDnsAnswer(question({ flags }), emptyAnswer()));
    assert.deepEqual(answer.flags, expected);
    assert.equal(answer.edns, null);
  }
});

test('codes are said, those of more than four bits with the help of the OPT', () => {
  for (const [name, code] of Object.entries(DNS_RCODE)) {
    const answer = readAnswer(encodeDnsAnswer(question({ edns: { version: 3 } }), emptyAnswer(code)));
    assert.deepEqual([answer.rcode, answer.records, answer.edns?.version], [name, [], 0]);
  }
});

test('what could not be read is answered with a header alone', () => {
  const header = { id: 9, opcode: 5, recursionDesired: true, checkingDisabled: false };
  const octets = encodeDnsError(header, DNS_RCODE.NOTIMP);
  assert.equal(octets.length, 12);
  const { id, opcode, rcode, flags, questions } = readAnswer(octets);
  assert.deepEqual([id, opcode, rcode, flags, questions], [9, 5, 'NOTIMP', ['qr', 'rd', 'ra'], []]);
});

test('the longest answers are under 512 octets', () => {
  const longest = [...Array(3).fill('a'.repeat(63)), 'b'.repeat(61)];
  const reverse = question({ name: '255.255.255.255.in-addr.arpa', type: TYPES.PTR, edns: {} });
  const name = { type: 'PTR', name: longest.join('.') } as const;
  assert.equal(encodeDnsAnswer(reverse, { rcode: DNS_RCODE.NOERROR, data: name, ttl: 1 }).length, 324);
  const long = question({ name: wireName(longest), edns: {} });
  assert.equal(
    encodeDnsAnswer(long, { rcode: DNS_RCODE.NOERROR, data: address('198.18.1.0'), ttl: 1 }).length,
    298,
  );
});

test('another reader finds in an answer what was put into it', () => {
  const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
  const labels = fc
    .array(label, { minLength: 1, maxLength: 4 })
    .filter((all) => all.reduce((sum, { length }) => sum + length + 1, 1) <= 255);
  const rcode = fc.constantFrom<DnsRcode[]>(...Object.values(DNS_RCODE).filter((code) => code < 16));
  fc.assert(
    fc.property(
      fc.record({
        id: fc.nat(65535),
        labels,
        type: fc.nat(65535),
        edns: fc.boolean(),
        rcode,
        data: fc.option(fc.ipV4()),
        ttl: fc.nat(2 ** 31 - 1),
      }),
      ({ id, labels: name, type, edns, rcode: code, data, ttl }) => {
        const asked = question({ id, name: wireName(name), type, ...(edns ? { edns: {} } : {}) });
        const octets = encodeDnsAnswer(asked, {
          rcode: code,
          data: data === null ? null : address(data),
          ttl,
        });
        const answer = readAnswer(octets);
        const text = name.map((part) => Buffer.from(part).toString('latin1')).join('.');
        assert.deepEqual(answer.questions, [`${text} ${type} 1`]);
        assert.deepEqual([answer.id, answer.edns !== null], [id, edns]);
        assert.equal(DNS_RCODE[answer.rcode as keyof typeof DNS_RCODE], code);
        assert.deepEqual(
          answer.records,
          data === null ? [] : [{ name: text, type: TYPES.A, class: 1, ttl, data }],
        );
      },
    ),
    { numRuns: 500 },
  );
});
