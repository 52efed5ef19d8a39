/** The byte data of objects: writes of all sizes, holes, truncation, shared ranges. */

import test from 'ava';
import { Prng } from '../support/prng.js';
import { type StoreBed, storeBed, TINY } from '../support/store-fixture.js';

function made(t: Parameters<typeof storeBed>[0], options = {}): StoreBed {
  const bed = storeBed(t, options);
  bed.commit((b) => b.createCollection('c'));
  return bed;
}

function read(bed: StoreBed, name: string): Buffer {
  return Buffer.from(bed.store.collection('c').object(name).readSync());
}

test('data of every size comes back: inline, journaled, written ahead', async (t) => {
  const bed = made(t, { size: 128 * 2 ** 20 });
  const prng = new Prng(1);
  const edges = [0, 1, 983, 984, 985, 4095, 4096, 4097, 8192, 32_767, 32_768, 32_769];
  const sizes = [...edges, 65_536, 200_000, 1_000_001, 5_000_000];
  const datas = sizes.map((size) => Buffer.alloc(size, prng.bytes(Math.min(size, 997))));
  sizes.forEach((size, i) => {
    bed.commit((b) => b.write('c', `sync ${size}`, 0, datas[i] as Buffer));
  });
  const commits = sizes.map((size, i) =>
    bed.store.commit(bed.store.transaction().write('c', `async ${size}`, 0, datas[i] as Buffer)),
  );
  await Promise.all(commits);
  for (const again of [false, true]) {
    if (again) bed.kill();
    sizes.forEach((size, i) => {
      t.is(Buffer.compare(read(bed, `sync ${size}`), datas[i] as Buffer), 0, `${size}`);
      t.is(Buffer.compare(read(bed, `async ${size}`), datas[i] as Buffer), 0, `${size}`);
    });
  }
});

test('reads end at the end of the object', (t) => {
  const bed = made(t);
  bed.commit((b) => b.write('c', 'o', 0, 'hello').touch('c', 'empty'));
  const object = bed.store.collection('c').object('o');
  t.is(Buffer.from(object.readSync(2, 2)).toString(), 'll');
  t.is(Buffer.from(object.readSync(3, 100)).toString(), 'lo');
  t.is(object.readSync(5).length, 0);
  t.is(object.readSync(100, 5).length, 0);
  t.is(object.readSync(2 ** 51, 2 ** 51).length, 0);
  t.is(object.readSync(1, 0).length, 0);
  t.is(bed.store.collection('c').object('empty').readSync().length, 0);
  t.throws(() => object.readSync(-1), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => object.readSync(0, -1), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => object.readSync(0.5), { code: 'E_INVALID_ARGUMENT' });
});

test('writes without bytes and zeros without length change no size', (t) => {
  const bed = made(t);
  bed.commit((b) => b.write('c', 'o', 100, '').zero('c', 'o', 100, 0));
  t.is(bed.store.collection('c').object('o').statSync().size, 0);
});

test('holes are zeros that take no space', (t) => {
  const bed = made(t, TINY);
  const far = 2 ** 40;
  bed.commit((b) => b.write('c', 'o', far, 'end').truncate('c', 'p', 5).zero('c', 'p', 0, far));
  const object = bed.store.collection('c').object('o');
  t.is(object.statSync().size, far + 3);
  t.is(object.statSync().allocatedBytes, 0);
  t.deepEqual(
    object.extentsSync().map(({ kind, offset, length }) => [kind, offset, length]),
    [
      ['hole', 0, far],
      ['inline', far, 3],
    ],
  );
  t.deepEqual([...object.readSync(far - 2, 10)], [0, 0, ...Buffer.from('end')]);
  t.is(bed.store.statfsSync().stored, 2 * far + 3);
  bed.commit((b) =>
    b
      .truncate('c', 'o', far)
      .truncate('c', 'o', far + 10)
      .truncate('c', 'p', 1),
  );
  t.deepEqual([...object.readSync(far - 1)], new Array(11).fill(0));
  t.is(bed.store.statfsSync().stored, far + 11);
});

test('zero() over an extent gives its blocks back', (t) => {
  const bed = made(t);
  bed.commit((b) => b.write('c', 'o', 0, Buffer.alloc(400_000, 1)));
  bed.commit((b) => b.zero('c', 'o', 4096, 390_000));
  const { allocatedBytes, size } = bed.store.collection('c').object('o').statSync();
  t.is(size, 400_000);
  t.true(allocatedBytes <= 4 * 64 * 1024, `${allocatedBytes}`);
  const expected = Buffer.alloc(400_000, 1).fill(0, 4096, 394_096);
  t.is(Buffer.compare(read(bed, 'o'), expected), 0);
});

test('a size over the limit is E_INVALID_ARGUMENT', (t) => {
  const { store } = made(t);
  const transaction = store.transaction();
  t.throws(() => transaction.truncate('c', 'o', 2 ** 52 + 1), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.write('c', 'o', 2 ** 52, 'x'), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => transaction.zero('c', 'o', 2 ** 52, 1), { code: 'E_INVALID_ARGUMENT' });
});

test('cloneRange() copies ranges, of itself too, overlapping both ways', (t) => {
  const bed = made(t, { blockSize: 1024, nodeSize: 1024 });
  const prng = new Prng(7);
  let model = Buffer.from(prng.bytes(60_000));
  bed.commit((b) => b.write('c', 'o', 0, model));
  for (let i = 0; i < 300; i++) {
    const from = prng.below(model.length);
    const length = prng.below(Math.min(20_000, model.length - from));
    const offset = prng.below(Math.min(model.length + 5000, 90_000));
    bed.commit((b) => b.cloneRange('c', 'o', 'o', from, length, offset));
    const data = Buffer.from(model.subarray(from, from + length));
    if (length > 0 && offset + length > model.length) {
      model = Buffer.concat([model, Buffer.alloc(offset + length - model.length)]);
    }
    data.copy(model, offset);
    if (i % 10 === 0) t.is(Buffer.compare(read(bed, 'o'), model), 0, `step ${i}`);
  }
  bed.reopen();
  t.is(Buffer.compare(read(bed, 'o'), model), 0);
  bed.commit((b) => b.truncate('c', 'o', 0));
  t.is(bed.store.collection('c').object('o').statSync().allocatedBytes, 0);
});

test('a write beside a shared range leaves its sharers alone', (t) => {
  const bed = made(t, TINY);
  const data = Buffer.alloc(100_000, 'x');
  bed.commit((b) => b.write('c', 'o', 0, data).cloneRange('c', 'o', 'p', 1000, 50_000, 77));
  bed.commit((b) => b.write('c', 'o', 0, Buffer.alloc(100_000, 'y')));
  bed.commit((b) => b.write('c', 'p', 20_000, 'z'));
  const expected = Buffer.concat([Buffer.alloc(77), data.subarray(1000, 51_000)]);
  expected.write('z', 20_000);
  bed.reopen();
  t.is(Buffer.compare(read(bed, 'p'), expected), 0);
  bed.commit((b) => b.remove('c', 'o'));
  bed.reopen();
  t.is(Buffer.compare(read(bed, 'p'), expected), 0);
});

test('a thousand small writes behind each other stay few entries', (t) => {
  const bed = made(t);
  for (let i = 0; i < 1000; i++) bed.commit((b) => b.write('c', 'o', i * 10, '0123456789'));
  t.true(bed.store.collection('c').object('o').extentsSync().length <= 12);
  t.is(read(bed, 'o').toString(), '0123456789'.repeat(1000));
});

test('more bytes than an array can have are refused, and read in pieces', async (t) => {
  const bed = made(t);
  const end = 2 ** 50;
  bed.commit((b) => b.touch('c', 'hole').truncate('c', 'hole', end));
  bed.commit((b) => b.write('c', 'tail', end - 4, 'last'));
  for (const name of ['hole', 'tail']) {
    const object = bed.store.collection('c').object(name);
    t.throws(() => object.readSync(), { code: 'E_TOO_BIG' }, name);
    await t.throwsAsync(object.read(), { code: 'E_TOO_BIG' }, name);
    t.throws(() => object.readRangesSync([[0, end]]), { code: 'E_TOO_BIG' }, name);
    t.is(object.readSync(end - 8, 8).length, 8, name);
  }
  const tail = bed.store
    .collection('c')
    .object('tail')
    .readSync(end - 4);
  t.is(Buffer.from(tail).toString(), 'last');
});
