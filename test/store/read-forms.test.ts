/** All forms of reading an object's bytes give the same, whatever the object is made of. */

import test, { type ExecutionContext } from 'ava';
import type { StoredObject } from '../../src/store/stored-object.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { type StoreBed, storeBed } from '../support/store-fixture.js';

const SEED = seedFromEnvironment();

/** What stands in a buffer that is read into, where nothing is read to. */
const UNTOUCHED = 0xee;

function made(t: ExecutionContext, options = {}): StoreBed {
  const bed = storeBed(t, options);
  bed.commit((b) => b.createCollection('c'));
  return bed;
}

/** Reads a range in every form and compares it with `expected`. */
async function readAll(
  t: ExecutionContext,
  bed: StoreBed,
  name: string,
  whole: Buffer,
  offset: number,
  length: number,
): Promise<void> {
  const where = `SEED=${SEED} ${name} [${offset}, +${length})`;
  const expected = whole.subarray(offset, offset + length);
  const fresh = (): StoredObject => bed.store.collection('c').object(name);
  const known = fresh();
  known.statSync(); // looks it up: what it reads now goes another way
  const is = (bytes: Uint8Array | undefined): unknown =>
    t.true(bytes !== undefined && Buffer.compare(bytes, expected) === 0, where);
  for (const object of [fresh(), known]) {
    is(object.readSync(offset, length));
    is(object.tryReadSync(offset, length));
    is(await object.read(offset, length));
    is(await object.tryRead(offset, length));
  }
  for (const object of [fresh(), known]) {
    for (const isSync of [true, false]) {
      const target = new Uint8Array(length).fill(UNTOUCHED);
      const count = isSync
        ? object.readIntoSync(target, offset)
        : await object.readInto(target, offset);
      is(target.subarray(0, count));
      t.true(
        target.subarray(count).every((byte) => byte === UNTOUCHED),
        where,
      );
    }
  }
}

test('every form of read gives the same bytes, of objects of every kind', async (t) => {
  t.log(`SEED=${SEED}`);
  const prng = new Prng(SEED);
  const bed = made(t);
  const objects = new Map<string, Buffer>();
  const sizes = [1, 100, 984, 985, 4095, 4096, 4097, 5000, 8192, 32_768, 65_536, 70_001, 600_000];
  for (const size of sizes) {
    const data = Buffer.from(prng.bytes(size));
    bed.commit((b) => b.write('c', `plain ${size}`, 0, data));
    objects.set(`plain ${size}`, data);
    const holed = Buffer.concat([Buffer.alloc(3000), data, Buffer.alloc(50)]);
    bed.commit((b) => b.write('c', `holed ${size}`, 3000, data));
    bed.commit((b) => b.truncate('c', `holed ${size}`, holed.length));
    objects.set(`holed ${size}`, holed);
    const cut = prng.between(1, size + 1);
    bed.commit((b) =>
      b.clone('c', `plain ${size}`, `cut ${size}`).truncate('c', `cut ${size}`, cut),
    );
    objects.set(`cut ${size}`, data.subarray(0, cut));
  }
  bed.commit((b) => b.zero('c', 'hole', 0, 9000).touch('c', 'empty'));
  objects.set('hole', Buffer.alloc(9000));
  objects.set('empty', Buffer.alloc(0));
  for (const again of [false, true]) {
    if (again) bed.reopen();
    for (const [name, whole] of objects) {
      await readAll(t, bed, name, whole, 0, whole.length);
      await readAll(t, bed, name, whole, 0, whole.length + 5000);
      const offset = prng.below(whole.length + 10);
      await readAll(t, bed, name, whole, offset, prng.below(whole.length + 10));
    }
  }
});

test('what is missing is undefined to tryRead and refused by the others', async (t) => {
  const bed = made(t);
  const { store } = bed;
  const missing = (): StoredObject => store.collection('c').object('missing');
  t.is(missing().tryReadSync(), undefined);
  t.is(await missing().tryRead(), undefined);
  t.throws(() => missing().readSync(), { code: 'E_NOT_FOUND' });
  await t.throwsAsync(missing().read(), { code: 'E_NOT_FOUND' });
  t.throws(() => missing().readIntoSync(new Uint8Array(8)), { code: 'E_NOT_FOUND' });
  await t.throwsAsync(missing().readInto(new Uint8Array(8)), { code: 'E_NOT_FOUND' });
  const nowhere = store.collection('none').object('o');
  t.throws(() => nowhere.tryReadSync(), { code: 'E_NOT_FOUND' });
  await t.throwsAsync(nowhere.tryRead(), { code: 'E_NOT_FOUND' });
  const handle = missing();
  t.is(handle.tryReadSync(), undefined);
  bed.commit((b) => b.write('c', 'missing', 0, 'here'));
  t.is(Buffer.from(handle.tryReadSync() ?? []).toString(), 'here');
  bed.commit((b) => b.remove('c', 'missing'));
  t.is(handle.tryReadSync(), undefined);
});

test("what a read gives is the reader's own", (t) => {
  const bed = made(t);
  for (const size of [100, 4096, 5000, 65_536]) {
    const data = Buffer.alloc(size, 'x');
    bed.commit((b) => b.write('c', 'o', 0, data));
    const first = bed.store.collection('c').object('o').readSync();
    first.fill(0);
    const second = bed.store.collection('c').object('o').readSync();
    t.is(Buffer.compare(second, data), 0, `${size}`);
    t.true(first.every((byte) => byte === 0));
  }
});
