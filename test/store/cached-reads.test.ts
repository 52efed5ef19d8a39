/** Reads of data that is in memory: what the device is asked for, and that no read is wrong. */

import { randomBytes } from 'node:crypto';
import test from 'ava';
import { hasCode } from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { storeBed } from '../support/store-fixture.js';

const MIB = 1024 * 1024;

test('the third read of an object asks the device for nothing', async (t) => {
  const bed = storeBed(t);
  for (const size of [5000, 100_000, MIB + 3]) {
    const data = randomBytes(size);
    bed.commit((tx) => tx.createCollection(`c${size}`).write(`c${size}`, 'o', 0, data));
    bed.store.checkpointSync();
    const object = () => bed.store.collection(`c${size}`).object('o');
    object().readSync();
    await object().read();
    const { read } = bed.device.calls;
    t.true(data.equals(object().readSync()));
    t.true(data.equals(await object().read()));
    t.true(data.subarray(1234, 4234).equals(object().readSync(1234, 3000)));
    const target = new Uint8Array(2000);
    t.is(object().readIntoSync(target, 777), 2000);
    t.true(data.subarray(777, 2777).equals(target));
    t.is(bed.device.calls.read, read);
  }
});

test('what was written anew is read anew', (t) => {
  const bed = storeBed(t);
  bed.commit((tx) => tx.createCollection('c'));
  const object = () => bed.store.collection('c').object('o');
  for (let round = 0; round < 20; round++) {
    const data = randomBytes(40_000);
    bed.commit((tx) => tx.write('c', 'o', 0, data));
    for (let i = 0; i < 3; i++) t.true(data.equals(object().readSync()));
    bed.store.checkpointSync();
    for (let i = 0; i < 3; i++) t.true(data.equals(object().readSync()));
  }
});

test('damage on the device is no matter to what is in memory, and found when it is not', (t) => {
  const bed = storeBed(t);
  const data = randomBytes(40_000);
  bed.commit((tx) => tx.createCollection('c').write('c', 'o', 0, data).clone('c', 'o', 'p'));
  bed.store.checkpointSync();
  const read = () => bed.store.collection('c').object('o').readSync();
  const [extent] = bed.store.collection('c').object('o').extentsSync();
  const { device } = bed;
  read();
  read();
  device.writeSync(extent?.deviceOffset ?? -1, [new Uint8Array(512)]);
  t.true(data.equals(read()));
  bed.reopen();
  for (let i = 0; i < 3; i++) {
    const error = t.throws(read);
    t.true(hasCode(error, 'E_CORRUPT'), 'a chunk that does not match is never kept');
  }
  bed.device.writeSync(extent?.deviceOffset ?? -1, [data.subarray(0, 512)]);
  t.true(data.equals(read()));
});

test('a store that erases keeps no data in memory', (t) => {
  const bed = storeBed(t, { eraseFreed: true, size: 24 * MIB });
  const data = randomBytes(40_000);
  bed.commit((tx) => tx.createCollection('c').write('c', 'o', 0, data));
  bed.store.checkpointSync();
  for (let i = 0; i < 4; i++) {
    const { read } = bed.device.calls;
    t.true(data.equals(bed.store.collection('c').object('o').readSync()));
    t.true(bed.device.calls.read > read);
  }
});

test('random writes and reads, with room for a part of the data', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const bed = storeBed(t, { cacheBytes: 4 * MIB, dirtyBytes: 256 * 1024 });
  bed.commit((tx) => tx.createCollection('c'));
  const model = new Map<string, Buffer>();
  let reads = 0;
  let asked = 0;
  for (let round = 0; round < 3000; round++) {
    const name = `o${prng.below(prng.chance(0.8) ? 8 : 60)}`;
    const known = model.get(name);
    if (known === undefined || prng.chance(0.1)) {
      const data = randomBytes(prng.between(1000, 90_000));
      const offset = prng.chance(0.5) ? 0 : prng.below(known?.length ?? 1);
      const length = Math.max(known?.length ?? 0, offset + data.length);
      const whole = Buffer.concat([known ?? Buffer.alloc(0), Buffer.alloc(length)], length);
      whole.set(data, offset);
      model.set(name, whole);
      bed.commit((tx) => tx.write('c', name, offset, data));
      continue;
    }
    const from = prng.chance(0.5) ? 0 : prng.below(known.length);
    const length = prng.chance(0.5) ? known.length : prng.below(known.length);
    const object = bed.store.collection('c').object(name);
    const { read } = bed.device.calls;
    const bytes = prng.chance(0.5)
      ? object.readSync(from, length)
      : await object.read(from, length);
    reads++;
    if (bed.device.calls.read > read) asked++;
    if (!known.subarray(from, from + length).equals(bytes)) t.fail(`round ${round}`);
  }
  t.log(`${reads} reads, ${asked} of them asked the device`);
  t.true(asked > 0 && asked < 0.8 * reads);
});
