import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Asked, dnsQuery, numbers, TYPES, wireName } from '../../../test/harness/dns-message.ts';
import { type DnsReading, readDnsQuestion } from './dns-question.ts';

const read = (asked: Asked) => readDnsQuestion(dnsQuery(asked));

/** `drop`, `error 1`, or the name and the text of a question. */
function summary(reading: DnsReading): string {
  if (reading.kind === 'drop') return 'drop';
  if (reading.kind === 'error') return `error ${reading.rcode}`;
  return reading.name ?? `no host: ${reading.asked}`;
}

const FORMERR = 'error 1';
const NOTIMP = 'error 4';
const longest = [...Array(3).fill('a'.repeat(63)), 'b'.repeat(61)];
const opt = dnsQuery({ edns: {} }).subarray(dnsQuery({}).length);
const record = (owner: Uint8Array, type = 1) =>
  Buffer.concat([owner, numbers(type, 1, 0, 60, 4), Buffer.of(1, 2, 3, 4)]);
const at = (octet: number, value: number) => {
  const message = dnsQuery({});
  message[octet] = value;
  return message;
};

test('a question tells all that an answer repeats', () => {
  const message = dnsQuery({
    id: 0xbeef,
    flags: 0x0110,
    name: 'WwW.ExAmple.COM',
    type: 65,
    edns: { size: 4096, flags: 0x8000 },
  });
  assert.deepEqual(readDnsQuestion(message), {
    kind: 'question',
    id: 0xbeef,
    opcode: 0,
    recursionDesired: true,
    checkingDisabled: true,
    name: 'www.example.com',
    asked: 'WwW.ExAmple.COM',
    type: 65,
    class: 1,
    octets: message.subarray(12, 33),
    edns: { version: 0, udpSize: 4096, dnssecOk: true },
  });
  const bare = read({ flags: 0, class: 3 });
  assert.ok(bare.kind === 'question');
  assert.deepEqual(
    [bare.recursionDesired, bare.checkingDisabled, bare.class, bare.edns],
    [false, false, 3, null],
  );
});

test('the size over UDP is 512 at least, and a version is only told', () => {
  const small = read({ edns: { size: 100, version: 1 } });
  assert.ok(small.kind === 'question');
  assert.deepEqual(small.edns, { version: 1, udpSize: 512, dnssecOk: false });
});

const names: readonly (readonly [string, Asked['name'], string])[] = [
  ['letters, digits, hyphens and underscores are a host name', '_a-1.B_2', '_a-1.b_2'],
  ['an A-label is as good as any', 'xn--gthub-n4a.com', 'xn--gthub-n4a.com'],
  ['one label is a host name', 'db', 'db'],
  ['the longest name is one', wireName(longest), longest.join('.')],
  ['one octet more is not', wireName([...longest.slice(0, 3), 'b'.repeat(62)]), FORMERR],
  ['nor are many short labels', wireName(Array(128).fill('a')), FORMERR],
  ['the root is no host', '', 'no host: .'],
  ['an address is no name', '127.0.0.1', 'no host: 127.0.0.1'],
  ['nor is what some read as one', '0x7f.1', 'no host: 0x7f.1'],
  ['a line end is no letter', wireName(['a\r\nb', 'example']), 'no host: a\\013\\010b.example'],
  ['nor is NUL', wireName(['a\0', 'example']), 'no host: a\\000.example'],
  ['nor is a dot inside a label', wireName(['a.b', 'example']), 'no host: a\\.b.example'],
  ['nor is a space', wireName(['a b']), 'no host: a\\032b'],
  ['nor is a star', '*.example', 'no host: *.example'],
  ['nor is what is not ASCII', wireName([Buffer.from('gіthub'), 'com']), 'no host: g\\209\\150thub.com'],
  ['marks of the text form are escaped', wireName(['"\\;', '@(x)$']), 'no host: \\"\\\\\\;.\\@\\(x\\)\\$'],
  ['a pointer to the name itself is refused', Buffer.of(0xc0, 12), FORMERR],
  ['a pointer after a label is refused', Buffer.of(1, 97, 0xc0, 12), FORMERR],
  ['so are the kinds of label that nobody uses', Buffer.of(0x41, 97, 0), FORMERR],
  ['and those that came to nothing', Buffer.of(0x80, 97, 0), FORMERR],
  ['a label longer than the message is refused', Buffer.of(63, 97, 0), FORMERR],
];

for (const [name, asked, expected] of names) {
  test(name, () => assert.equal(summary(read({ name: asked ?? '' })), expected));
}

const messages: readonly (readonly [string, Buffer, string])[] = [
  ['nothing is dropped', Buffer.alloc(0), 'drop'],
  ['half a header is dropped', dnsQuery({}).subarray(0, 11), 'drop'],
  ['an answer is dropped', dnsQuery({ flags: 0x8180 }), 'drop'],
  ['an answer to something else is dropped as well', dnsQuery({ flags: 0xa800 }), 'drop'],
  ['a header alone asks nothing', dnsQuery({ counts: [0, 0, 0, 0] }).subarray(0, 12), FORMERR],
  ['a header that announces a question without one', dnsQuery({}).subarray(0, 12), FORMERR],
  ['a question without its class', dnsQuery({}).subarray(0, -2), FORMERR],
  ['an inverse query is not known', dnsQuery({ flags: 0x0900 }), NOTIMP],
  ['nor is a notification', dnsQuery({ flags: 0x2000 }), NOTIMP],
  ['nor an update', dnsQuery({ flags: 0x2800 }), NOTIMP],
  ['nor what has no name yet', dnsQuery({ flags: 0x7800 }), NOTIMP],
  [
    'two questions',
    dnsQuery({ counts: [2, 0, 0, 0], more: Buffer.concat([wireName(['b']), numbers(1, 1)]) }),
    FORMERR,
  ],
  ['no question', dnsQuery({ counts: [0, 0, 0, 0] }), FORMERR],
  ['65,535 questions', dnsQuery({ counts: [65535, 0, 0, 0] }), FORMERR],
  ['an answer that is announced', dnsQuery({ counts: [1, 1, 0, 0] }), FORMERR],
  ['an answer within a question', dnsQuery({ counts: [1, 1, 0, 0], more: record(Buffer.of(0)) }), FORMERR],
  [
    'an authority within a question',
    dnsQuery({ counts: [1, 0, 1, 0], more: record(Buffer.of(0), 6) }),
    FORMERR,
  ],
  [
    'one for IXFR belongs there',
    dnsQuery({ type: 251, counts: [1, 0, 1, 0], more: record(Buffer.of(0), 6) }),
    'a.example',
  ],
  [
    'a signature beside the question is passed over',
    dnsQuery({ counts: [1, 0, 0, 1], more: record(wireName(['key']), 250) }),
    'a.example',
  ],
  [
    'its owner may be a pointer, also one to itself',
    dnsQuery({ counts: [1, 0, 0, 1], more: record(Buffer.of(0xc0, 27)) }),
    'a.example',
  ],
  [
    'or a label and a pointer',
    dnsQuery({ counts: [1, 0, 0, 1], more: record(Buffer.of(1, 97, 0xc0, 12)) }),
    'a.example',
  ],
  ['but nothing else', dnsQuery({ counts: [1, 0, 0, 1], more: record(Buffer.of(0x41, 97, 0)) }), FORMERR],
  ['a record that is announced and not there', dnsQuery({ counts: [1, 0, 0, 1] }), FORMERR],
  [
    'a record that is cut short',
    dnsQuery({ counts: [1, 0, 0, 1], more: record(Buffer.of(0)).subarray(0, -1) }),
    FORMERR,
  ],
  ['octets that nothing announces', dnsQuery({ more: Buffer.of(0) }), FORMERR],
  ['a record that nothing announces', dnsQuery({ more: opt }), FORMERR],
  ['two OPT records', dnsQuery({ edns: {}, counts: [1, 0, 0, 2], more: opt }), FORMERR],
  [
    'an OPT with a name',
    dnsQuery({ counts: [1, 0, 0, 1], more: Buffer.concat([wireName(['a']), opt.subarray(1)]) }),
    FORMERR,
  ],
  [
    'an OPT with options',
    dnsQuery({ edns: { data: Buffer.concat([numbers(10, 8), Buffer.alloc(8), numbers(12, 0)]) } }),
    'a.example',
  ],
  [
    'an option that is cut short',
    dnsQuery({ edns: { data: Buffer.concat([numbers(10, 9), Buffer.alloc(8)]) } }),
    FORMERR,
  ],
  ['half an option', dnsQuery({ edns: { data: Buffer.of(0, 10, 0) } }), FORMERR],
  ['the bits that mean nothing in a question are not looked at', at(3, 0x6f), 'a.example'],
];

for (const [name, message, expected] of messages) {
  test(`${name}: ${expected}`, () => assert.equal(summary(readDnsQuestion(message)), expected));
}

test('an error tells the header that its answer repeats, and why', () => {
  const reading = read({ id: 7, flags: 0x2910 });
  assert.ok(reading.kind === 'error');
  const { id, opcode, recursionDesired, checkingDisabled, reason } = reading;
  assert.deepEqual([id, opcode, recursionDesired, checkingDisabled], [7, 5, true, true]);
  assert.match(reason, /opcode is 5/);
});

test('every beginning of a message is dropped or an error, but for the whole', () => {
  const whole = dnsQuery({
    name: 'www.example.com',
    edns: { data: Buffer.concat([numbers(10, 2), Buffer.alloc(2)]) },
  });
  for (let length = 0; length < whole.length; length++) {
    assert.equal(summary(readDnsQuestion(whole.subarray(0, length))), length < 12 ? 'drop' : FORMERR);
  }
  assert.equal(summary(readDnsQuestion(whole)), 'www.example.com');
});

test('no octets throw', () => {
  const header = fc.tuple(
    fc.constantFrom(0, 0x0100, 0x0110, 0x0120),
    fc.constantFrom(0, 1, 2),
    fc.constantFrom(0, 1, 2),
  );
  const plausible = fc
    .tuple(header, fc.uint8Array({ maxLength: 80 }))
    .map(([[flags, questions, more], rest]) =>
      Buffer.concat([numbers(1, flags, questions, 0, 0, more), rest]),
    );
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), plausible), (octets) => {
      const reading = readDnsQuestion(octets);
      assert.ok(['question', 'error', 'drop'].includes(reading.kind));
      if (octets.length < 12 || (octets[2] ?? 0) >= 0x80) assert.equal(reading.kind, 'drop');
    }),
    { numRuns: 5000 },
  );
});

test('one changed octet never makes a name that was not asked for', () => {
  const whole = dnsQuery({ name: 'ab.example', edns: {} });
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (place, octet) => {
      const message = Buffer.from(whole);
      message[place] = octet;
      const reading = readDnsQuestion(message);
      if (reading.kind !== 'question' || reading.name === null) return;
      const wire = message.subarray(12, message.indexOf(0, 12) + 1);
      assert.deepEqual(wireName(reading.asked.split('.')), Buffer.from(wire));
    }),
  );
});

test('any name of host letters is read as it was written', () => {
  const letter = fc.constantFrom(...'abcxyzABCXYZ0189-_');
  const label = fc.string({ unit: letter, minLength: 1, maxLength: 63 });
  const labels = fc.array(label, { minLength: 1, maxLength: 5 }).filter((all) => all.join('.').length <= 253);
  fc.assert(
    fc.property(labels, fc.nat(65535), fc.nat(65535), (asked, type, id) => {
      const text = asked.join('.');
      const reading = read({ name: wireName(asked), type, id });
      assert.ok(reading.kind === 'question');
      assert.deepEqual([reading.asked, reading.type, reading.id], [text, type, id]);
      const odd = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/i.test(text);
      assert.equal(reading.name, odd ? null : text.toLowerCase());
    }),
    { numRuns: 1000 },
  );
});

test('any other octet in a label makes it no host name, and shows in printable ASCII', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 63 }), (octets) => {
      const reading = read({ name: wireName([octets, 'example']), type: TYPES.TXT });
      assert.ok(reading.kind === 'question');
      assert.match(reading.asked, /^[\x21-\x7e]+$/);
      assert.equal(reading.name === null, !/^[A-Za-z0-9_-]+$/.test(Buffer.from(octets).toString('latin1')));
    }),
    { numRuns: 1000 },
  );
});
