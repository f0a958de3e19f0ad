import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { locked } from './machine-lock.ts';

describe('a lock of this machine', () => {
  const directory = mkdtempSync(join(tmpdir(), 'boundary-lock-'));
  after(() => rmSync(directory, { recursive: true }));

  it('lets one in at a time, and hands over what the work returns', async () => {
    const file = join(directory, 'made/when/missing/lock');
    let inside = 0;
    const work = async (value: number): Promise<number> => {
      inside += 1;
      assert.equal(inside, 1);
      for (let i = 0; i < 5; i += 1) await turn();
      inside -= 1;
      return value;
    };
    const results = await Promise.all([1, 2, 3, 4].map((value) => locked(file, () => work(value))));
    assert.deepEqual(results, [1, 2, 3, 4]);
  });

  it('is let go when the work fails', async () => {
    const file = join(directory, 'failing');
    await assert.rejects(
      locked(file, () => Promise.reject(new Error('no'))),
      /^Error: no$/,
    );
    assert.equal(await locked(file, () => Promise.resolve('free')), 'free');
  });

  it('is let go when its holder is killed', async () => {
    const file = join(directory, 'killed');
    const module = JSON.stringify(join(import.meta.dirname, 'machine-lock.ts'));
    const script = `import { locked } from ${module};
      await locked(${JSON.stringify(file)}, async () => {
        process.stdout.write('held');
        setInterval(() => {}, 1000);
        await new Promise(() => {});
      });`;
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', script]);
    await once(holder.stdout, 'data');
    let entered = false;
    const next = locked(file, async () => {
      entered = true;
    });
    await turn();
    assert.equal(entered, false);
    holder.kill('SIGKILL');
    await next;
    assert.equal(entered, true);
  });
});
