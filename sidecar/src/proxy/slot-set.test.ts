import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlotSet, type Slotted } from './slot-set.ts';

test('holds what a Set would hold, whatever comes and goes', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), which: fc.nat(9) }), { maxLength: 80 });
  fc.assert(
    fc.property(steps, (plan) => {
      const members: Slotted[] = Array.from({ length: 10 }, () => ({ slot: -1 }));
      const slots = new SlotSet<Slotted>();
      const reference = new Set<Slotted>();
      for (const { add, which } of plan) {
        const member = members[which] as Slotted;
        if (add) {
          slots.add(member);
          reference.add(member);
        } else {
          slots.delete(member);
          reference.delete(member);
        }
        assert.equal(slots.size, reference.size);
        assert.deepEqual(new Set(slots), reference);
      }
    }),
  );
});

test('members that leave while the set is gone through hide none of the others', () => {
  const slots = new SlotSet<Slotted>();
  const members = [{ slot: -1 }, { slot: -1 }, { slot: -1 }];
  for (const member of members) slots.add(member);
  const seen: Slotted[] = [];
  for (const member of slots) {
    seen.push(member);
    slots.delete(member);
  }
  assert.deepEqual(seen, members);
  assert.equal(slots.size, 0);
});
