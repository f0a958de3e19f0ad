import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type NameAddresses, type NameAddressesOptions, openNameAddresses } from './name-addresses.ts';
import { openNameJournal } from './name-journal.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A day, and the hour by which the journal may be behind. */
const LEASE = 25 * HOUR;

function freshPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'boundary-names-')), 'names');
}

/** A book whose time a test sets. It can be closed and opened again. */
class Shelf {
  readonly path = freshPath();
  readonly faults: string[] = [];
  readonly #more: Partial<NameAddressesOptions>;
  now = 1_764_000_000_000;
  book: NameAddresses;

  constructor(more: Partial<NameAddressesOptions> = {}) {
    this.#more = more;
    this.book = this.#open();
  }

  reopen(): NameAddresses {
    this.book.close();
    this.book = this.#open();
    return this.book;
  }

  #open(): NameAddresses {
    return openNameAddresses({
      path: this.path,
      now: () => this.now,
      onFault: (message) => this.faults.push(message),
      ...this.#more,
    });
  }
}

const several = Array.from({ length: 200 }, (_, index) => `host${index}.example`);

describe('a name', () => {
  test('has one address, of its own, inside the range and outside what is reserved', () => {
    const { book } = new Shelf();
    const given = several.map((name) => book.addressOf(name));
    assert.equal(new Set(given).size, several.length);
    assert.deepEqual(
      several.map((name) => book.addressOf(name)),
      given,
    );
    for (const [index, address] of given.entries()) {
      assert.match(address ?? '', /^198\.(?:18\.(?!0\.)|19\.)\d+\.\d+$/);
      assert.equal(book.nameOf(address ?? ''), several[index]);
    }
    assert.equal(book.count, several.length);
  });

  test('has the same address in another life, and mostly where the journal was lost', () => {
    const shelf = new Shelf();
    const given = several.map((name) => shelf.book.addressOf(name));
    const book = shelf.reopen();
    assert.deepEqual(
      several.toReversed().map((name) => book.addressOf(name)),
      given.toReversed(),
    );
    const elsewhere = new Shelf().book;
    const same = several.filter((name, index) => elsewhere.addressOf(name) === given[index]);
    assert.ok(same.length > 195, `${same.length} of 200`);
  });

  test('that shares its first choice with another keeps what it got, whoever asks first later', () => {
    const names = several.slice(0, 16);
    const shelf = new Shelf({ size: 16 });
    const given = names.map((name) => shelf.book.addressOf(name));
    assert.equal(new Set(given).size, 16);
    const book = shelf.reopen();
    assert.deepEqual(
      names.toReversed().map((name) => book.addressOf(name)),
      given.toReversed(),
    );
  });

  test('may be as long as names are', () => {
    const shelf = new Shelf();
    const long = [...Array(3).fill('a'.repeat(63)), 'b'.repeat(61)].join('.');
    const address = shelf.book.addressOf(long);
    assert.equal(shelf.reopen().addressOf(long), address);
  });
});

describe('an address', () => {
  test('that nobody has, names nobody', () => {
    const { book } = new Shelf();
    for (const text of ['198.18.1.0', '198.19.255.255', '198.20.0.0', '10.0.0.1', '::1', 'a', '', '198.18.1'])
      assert.equal(book.nameOf(text), undefined);
  });

  test('is our own inside 198.18.0.0/15', () => {
    const { book } = new Shelf({ size: 4 });
    const own = ['198.18.0.0', '198.18.0.53', '198.18.1.0', '198.19.0.1', '198.19.255.255'];
    const other = [
      '198.17.255.255',
      '198.20.0.0',
      '127.0.0.1',
      '::ffff:198.18.0.1',
      '198.18.0',
      '198.18.0.053',
    ];
    assert.deepEqual(
      own.map(book.isOwn, book),
      own.map(() => true),
    );
    assert.deepEqual(
      other.map(book.isOwn, book),
      other.map(() => false),
    );
  });

  test('may be reserved out of the first 256', () => {
    const shelf = new Shelf();
    shelf.book.reserve('boundary.internal', '198.18.0.1');
    shelf.book.reserve('resolver.boundary.internal', '198.18.0.53');
    assert.equal(shelf.book.addressOf('boundary.internal'), '198.18.0.1');
    assert.equal(shelf.book.nameOf('198.18.0.1'), 'boundary.internal');
    assert.equal(shelf.book.nameOf('198.18.0.53'), 'resolver.boundary.internal');
    assert.equal(shelf.book.count, 0);
    for (const other of ['198.18.1.0', '198.17.255.255', '10.0.0.1', 'x'])
      assert.throws(() => shelf.book.reserve('a', other), RangeError);
    assert.notEqual(shelf.reopen().addressOf('boundary.internal'), '198.18.0.1');
  });

  test('none is beyond the range, and the size has to fit', () => {
    for (const size of [0, -1, 1.5, 130_816, Number.NaN])
      assert.throws(() => new Shelf({ size }), RangeError);
    assert.equal(new Shelf({ size: 130_815 }).book.count, 0);
  });
});

describe('a day', () => {
  test('passes after the last question before the address goes to another name', () => {
    const shelf = new Shelf({ size: 1 });
    assert.equal(shelf.book.addressOf('a'), '198.18.1.0');
    shelf.now += DAY;
    assert.equal(shelf.book.addressOf('b'), null);
    assert.equal(shelf.book.addressOf('a'), '198.18.1.0');
    shelf.now += LEASE - 1000;
    assert.equal(shelf.book.addressOf('b'), null);
    shelf.now += 1000;
    assert.equal(shelf.book.addressOf('b'), '198.18.1.0');
    assert.equal(shelf.book.nameOf('198.18.1.0'), 'b');
    assert.equal(shelf.book.addressOf('a'), null);
    assert.deepEqual(shelf.faults, []);
  });

  test('begins anew with a connection', () => {
    const shelf = new Shelf({ size: 1 });
    shelf.book.addressOf('a');
    shelf.now += DAY;
    assert.equal(shelf.book.nameOf('198.18.1.0'), 'a');
    shelf.now += DAY;
    assert.equal(shelf.book.addressOf('b'), null);
    assert.equal(shelf.reopen().addressOf('b'), null);
  });

  test('is counted across lives, from a use that may be an hour younger than what is on record', () => {
    const shelf = new Shelf({ size: 1 });
    shelf.book.addressOf('a');
    shelf.now += HOUR - 1000;
    shelf.book.nameOf('198.18.1.0'); // not worth a line
    shelf.now += DAY - 1000;
    assert.equal(shelf.reopen().addressOf('b'), null);
    shelf.now += HOUR;
    assert.equal(shelf.reopen().addressOf('b'), '198.18.1.0');
  });

  test('over, a name still keeps its address until no other is free; the longest unused goes first', () => {
    const shelf = new Shelf({ size: 3 });
    const first = shelf.book.addressOf('a');
    shelf.now += HOUR;
    shelf.book.addressOf('b');
    shelf.now += 7 * DAY;
    const third = shelf.book.addressOf('c');
    assert.equal(shelf.book.nameOf(first ?? ''), 'a');
    assert.notEqual(third, first);
    shelf.now += DAY;
    assert.equal(shelf.book.addressOf('a'), first);
    const fourth = shelf.book.addressOf('d');
    assert.equal(shelf.book.nameOf(fourth ?? ''), 'd');
    assert.equal(shelf.book.addressOf('b'), null, 'b had it');
  });

  test('is not shortened by a clock that is set back or was ahead between two lives', () => {
    const shelf = new Shelf({ size: 1 });
    shelf.book.addressOf('a');
    shelf.now -= 365 * DAY;
    shelf.reopen();
    assert.equal(shelf.book.addressOf('b'), null);
    assert.equal(shelf.book.nameOf('198.18.1.0'), 'a');
    // Ages count: a day later by the clock that is there now, it is over all the same.
    shelf.now += LEASE;
    assert.equal(shelf.book.addressOf('b'), '198.18.1.0');
  });
});

describe('a range that is full', () => {
  test('gives nothing to new names, and goes on to serve those that it has', () => {
    const shelf = new Shelf({ size: 10 });
    const names = several.slice(0, 10);
    const given = names.map((name) => shelf.book.addressOf(name));
    assert.ok(!given.includes(null));
    assert.equal(shelf.book.addressOf('one.more'), null);
    assert.deepEqual(
      names.map((name) => shelf.book.addressOf(name)),
      given,
    );
    assert.equal(shelf.book.count, 10);
    shelf.now += LEASE;
    assert.ok(shelf.book.addressOf('one.more'));
    assert.equal(shelf.book.count, 10);
  });

  test('keeps its last eighth from names that no rule could allow', () => {
    const { book } = new Shelf({ size: 16 });
    const given = several.slice(0, 20).map((name) => book.addressOf(name, false));
    assert.equal(given.filter((address) => address !== null).length, 14);
    assert.ok(book.addressOf('wanted.example'));
    assert.ok(book.addressOf('wanted.too.example'));
    assert.equal(book.addressOf('late.example'), null);
    assert.equal(book.addressOf(several[0] ?? '', false), given[0]);
  });

  test('is full of long names before it is full of addresses: 8 MiB of them', () => {
    const shelf = new Shelf();
    const { book } = shelf;
    const tail = `.${[...Array(3).fill('a'.repeat(60)), 'b'.repeat(60)].join('.')}`;
    let given = 0;
    while (book.addressOf(`${given}${tail}`) !== null) given++;
    assert.ok(given * 250 > 8_300_000 && given * 244 < 8_388_608, `${given} names`);
    assert.equal(book.count, given);
    shelf.now += LEASE;
    const late = Array.from({ length: 100 }, (_, n) => `${given + n}${tail}`);
    const addresses = late.map((name) => book.addressOf(name));
    assert.ok(!addresses.includes(null));
    assert.ok(book.count >= given - 2 && book.count <= given, `${book.count} of ${given}`);
    // The journal still tells of those that made room for them.
    const again = shelf.reopen();
    assert.deepEqual(
      addresses.map((address) => again.nameOf(address ?? '')),
      late,
    );
  });
});

describe('the journal', () => {
  test('has a line for a new name, and one an hour at most for its uses', () => {
    const shelf = new Shelf();
    const lines = () => readFileSync(shelf.path, 'latin1').split('\n').length - 1;
    const address = shelf.book.addressOf('a') ?? '';
    for (let minute = 0; minute < 120; minute++) {
      shelf.now += 60_000;
      shelf.book.addressOf('a');
      shelf.book.nameOf(address);
    }
    assert.equal(lines(), 3);
    shelf.reopen();
    assert.equal(lines(), 1);
  });

  test('is made shorter when it has grown', () => {
    const shelf = new Shelf();
    let longest = 0;
    for (let hour = 0; hour < 200; hour++) {
      for (const name of several) shelf.book.addressOf(name);
      shelf.now += HOUR;
      longest = Math.max(longest, statSync(shelf.path).size);
    }
    assert.ok(longest < 300_000, `${longest} octets`);
    const given = several.map((name) => shelf.book.addressOf(name));
    const book = shelf.reopen();
    assert.deepEqual(
      several.map((name) => book.addressOf(name)),
      given,
    );
  });

  test('where it cannot be written, new names have no address, known ones keep theirs, and it is said', () => {
    const shelf = new Shelf();
    const directory = join(shelf.path, '..');
    const address = shelf.book.addressOf('a');
    rmSync(directory, { recursive: true });
    shelf.reopen();
    assert.match(shelf.book.warnings.join(), /cannot be made shorter \(ENOENT\)/);
    assert.equal(shelf.book.addressOf('a'), null);
    assert.equal(shelf.book.addressOf('b'), null);
    assert.equal(shelf.book.count, 0);
    assert.equal(shelf.faults.length, 1);
    assert.match(shelf.faults[0] ?? '', /cannot be written \(ENOENT\): free space/);
    shelf.now += 60_000;
    assert.equal(shelf.book.addressOf('b'), null);
    assert.equal(shelf.faults.length, 2);
    mkdirSync(directory);
    assert.equal(shelf.book.addressOf('a'), address);
    assert.ok(shelf.book.addressOf('b'));
    assert.equal(shelf.faults.length, 2);
  });

  test('where it is full, known names are served on', async () => {
    const path = freshPath();
    const program = `
      import { openNameAddresses } from ${JSON.stringify(join(import.meta.dirname, 'name-addresses.ts'))};
      let now = 1764000000000;
      const faults = [];
      const book = openNameAddresses({ path: ${JSON.stringify(path)}, now: () => now, onFault: (text) => faults.push(text) });
      const names = Array.from({ length: 40 }, (_, index) => 'host' + index + '.example');
      const first = names.map((name) => book.addressOf(name));
      now += 2 * 3600000;
      console.log(JSON.stringify({ first, again: names.map((name) => book.addressOf(name)), faults }));`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const child = spawn('bash', ['-c', 'ulimit -f 1; exec "$@"', 'bash', ...node], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = await child.stdout.reduce((text, chunk) => text + chunk, '');
    const { first, again, faults } = JSON.parse(output);
    const given = first.filter((address: string | null) => address !== null);
    assert.ok(given.length > 10 && given.length < 40);
    assert.deepEqual(again, first);
    assert.ok(faults.length >= 1 && faults.length <= 2);
    const book = openNameAddresses({ path });
    assert.deepEqual([book.count, book.warnings], [given.length, []]);
  });

  test('where it is damaged, what can be read holds, and no address has two names', () => {
    const shelf = new Shelf({ size: 64 });
    const names = several.slice(0, 6);
    const given = names.map((name) => shelf.book.addressOf(name));
    shelf.now += 2 * HOUR;
    for (const name of names) shelf.book.addressOf(name);
    shelf.book.close();
    const whole = readFileSync(shelf.path);
    for (let cut = 0; cut <= whole.length; cut++) {
      const path = freshPath();
      // What is left out is in the middle, as after a power cut.
      writeFileSync(
        path,
        Buffer.concat([whole.subarray(0, cut), whole.subarray(Math.min(whole.length, cut + 61))]),
      );
      const book = openNameAddresses({ path, size: 64, now: () => shelf.now });
      if (book.warnings.length > 0) assert.ok(existsSync(`${path}.damaged`));
      const kept = names.filter((_, index) => book.nameOf(given[index] ?? '') !== undefined);
      for (const [index, name] of names.entries())
        if (kept.includes(name)) assert.equal(book.addressOf(name), given[index]);
      const all = [...names, ...several.slice(6, 40)].map((name) => book.addressOf(name));
      assert.equal(new Set(all).size, 40, `cut at ${cut}`);
      book.close();
    }
  });

  test('of lines that contradict each other, the later one holds', () => {
    const path = freshPath();
    const { journal } = openNameJournal(path);
    const tell = (name: string, address: string) => journal.append({ name, address, seconds: 1_764_000_000 });
    tell('a', '198.18.1.0');
    tell('b', '198.18.1.1');
    tell('b', '198.18.1.0'); // the line that would have given a another address is lost
    tell('c', '10.0.0.1');
    tell('d', '198.18.1.2'); // beyond the size
    const book = openNameAddresses({ path, size: 2, now: () => 1_764_000_000_000 });
    assert.deepEqual([book.nameOf('198.18.1.0'), book.nameOf('198.18.1.1'), book.count], ['b', undefined, 1]);
    assert.equal(book.addressOf('a'), '198.18.1.1');
    assert.deepEqual([book.nameOf('10.0.0.1'), book.nameOf('198.18.1.2')], [undefined, undefined]);
  });
});

test('what was told before a kill -9 is known after it', async () => {
  const path = freshPath();
  const program = `
    import { writeSync } from 'node:fs';
    import { openNameAddresses } from ${JSON.stringify(join(import.meta.dirname, 'name-addresses.ts'))};
    const book = openNameAddresses({ path: ${JSON.stringify(path)} });
    for (let n = 0; ; n++) {
      const name = process.pid + '-' + n + '.example';
      writeSync(1, name + ' ' + book.addressOf(name) + '\\n');
    }`;
  const told = new Map<string, string>();
  for (const lines of [1, 50, 500, 2000]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let read = 0;
    for await (const line of createInterface(child.stdout)) {
      const [name = '', address = ''] = line.split(' ');
      told.set(name, address);
      if (++read === lines) child.kill('SIGKILL');
    }
    assert.deepEqual(await closed, [null, 'SIGKILL']);
  }
  const book = openNameAddresses({ path });
  assert.deepEqual(book.warnings, []);
  for (const [name, address] of told) assert.equal(book.nameOf(address), name);
  assert.ok(book.count >= told.size);
});

test('no address changes hands within a day of a use, whatever happens', () => {
  const name = fc.nat(11).map((index) => `n${index}`);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ ask: name, wanted: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ connect: fc.nat(7) }) },
    { weight: 3, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 30 * 60 }) }) },
    { weight: 1, arbitrary: fc.record({ reopen: fc.constant(true) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shelf = new Shelf({ size: 8 });
      const owners = new Map<string, { name: string; used: number }>();
      function used(address: string, by: string): void {
        const before = owners.get(address);
        if (before !== undefined && before.name !== by) assert.ok(shelf.now - before.used >= DAY);
        for (const [other, owner] of owners)
          if (owner.name === by && other !== address) assert.ok(shelf.now - owner.used >= DAY);
        owners.set(address, { name: by, used: shelf.now });
      }
      for (const one of steps) {
        if ('ask' in one) {
          const address = shelf.book.addressOf(one.ask, one.wanted);
          if (address !== null) used(address, one.ask);
          else assert.ok(shelf.book.count >= 7);
        } else if ('connect' in one) {
          const address = `198.18.1.${one.connect}`;
          const found = shelf.book.nameOf(address);
          if (found !== undefined) used(address, found);
        } else if ('wait' in one) shelf.now += one.wait * 60_000;
        else shelf.reopen();
        assert.ok(shelf.book.count <= 8);
      }
      shelf.book.close();
      rmSync(join(shelf.path, '..'), { recursive: true });
      assert.deepEqual(shelf.faults, []);
    }),
    { numRuns: 150 },
  );
});
