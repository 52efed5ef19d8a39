/** Clones of objects and collections: independent in both directions, in constant time. */

import test from 'ava';
import { type StoreBed, storeBed, TINY } from '../support/store-fixture.js';

const LARGE = Buffer.alloc(150_000, 'abcdefg');

function text(bed: StoreBed, collection: string, object: string): string {
  return Buffer.from(bed.store.collection(collection).object(object).readSync()).toString();
}

function fill(bed: StoreBed): void {
  bed.commit((b) => {
    b.createCollection('c').write('c', 'source', 0, LARGE);
    b.setAttributes('c', 'source', [
      ['small', 'one'],
      ['large', LARGE],
    ]);
    b.mapSet('c', 'source', [
      ['k', 'v'],
      ['large', LARGE],
    ]);
    b.mapSetHeader('c', 'source', 'header');
  });
}

/** Changes every part of an object. */
function change(bed: StoreBed, collection: string, object: string): void {
  bed.commit((b) => {
    b.write(collection, object, 70_000, Buffer.alloc(9000, 'X')).truncate(
      collection,
      object,
      99_999,
    );
    b.setAttribute(collection, object, 'small', 'two').removeAttribute(collection, object, 'large');
    b.mapSet(collection, object, [
      ['k', 'w'],
      ['new', 'n'],
    ]);
    b.mapRemove(collection, object, ['large']).mapSetHeader(collection, object, 'other');
  });
}

function isOriginal(bed: StoreBed, collection: string, object: string): boolean {
  const stored = bed.store.collection(collection).object(object);
  const is = (a: Uint8Array | undefined, b: string | Uint8Array): boolean =>
    a !== undefined && Buffer.compare(a, Buffer.from(b)) === 0;
  return (
    is(stored.readSync(), LARGE) &&
    is(stored.getAttributeSync('small'), 'one') &&
    is(stored.getAttributeSync('large'), LARGE) &&
    is(stored.mapGetSync('k'), 'v') &&
    is(stored.mapGetSync('large'), LARGE) &&
    is(stored.mapHeaderSync(), 'header') &&
    stored.mapCountSync() === 2
  );
}

function isChanged(bed: StoreBed, collection: string, object: string): boolean {
  const stored = bed.store.collection(collection).object(object);
  const bytes = Buffer.from(LARGE.subarray(0, 99_999));
  bytes.fill('X', 70_000, 79_000);
  return (
    Buffer.compare(stored.readSync(), bytes) === 0 &&
    Buffer.from(stored.getAttributeSync('small') ?? '').toString() === 'two' &&
    stored.getAttributeSync('large') === undefined &&
    stored.mapCountSync() === 2 &&
    Buffer.from(stored.mapGetSync('k') ?? '').toString() === 'w'
  );
}

for (const [title, options] of Object.entries({
  'in memory': {},
  'with constant checkpoints': TINY,
})) {
  test(`clone() and its source are independent, ${title}`, (t) => {
    for (const changed of ['source', 'clone']) {
      const bed = storeBed(t, options);
      fill(bed);
      bed.commit((b) => b.clone('c', 'source', 'clone'));
      t.true(isOriginal(bed, 'c', 'clone'));
      const other = changed === 'clone' ? 'source' : 'clone';
      change(bed, 'c', changed);
      t.true(isOriginal(bed, 'c', other));
      bed.reopen();
      t.true(isOriginal(bed, 'c', other));
      t.true(isChanged(bed, 'c', changed));
      bed.commit((b) => b.remove('c', changed));
      bed.kill();
      t.true(isOriginal(bed, 'c', other));
      t.false(bed.store.collection('c').object(changed).existsSync());
      t.is(bed.store.statfsSync().stored, LARGE.length);
    }
  });

  test(`cloneCollection() and its source are independent, ${title}`, (t) => {
    for (const changed of ['c', 'd']) {
      const bed = storeBed(t, options);
      fill(bed);
      bed.commit((b) => {
        for (let i = 0; i < 500; i++) b.write('c', `o${i}`, 0, `small ${i}`);
        b.setCollectionAttribute('c', 'name', LARGE);
      });
      bed.commit((b) => b.cloneCollection('c', 'd'));
      const other = changed === 'c' ? 'd' : 'c';
      change(bed, changed, 'source');
      bed.commit((b) => {
        for (let i = 0; i < 500; i += 3) b.remove(changed, `o${i}`);
        b.removeCollectionAttribute(changed, 'name');
      });
      bed.reopen();
      t.true(isOriginal(bed, other, 'source'));
      t.true(isChanged(bed, changed, 'source'));
      t.is(bed.store.collection(other).statSync().objects, 501);
      t.is(bed.store.collection(changed).statSync().objects, 501 - 167);
      t.is(text(bed, other, 'o3'), 'small 3');
      t.deepEqual(bed.store.collection(other).getAttributeSync('name'), new Uint8Array(LARGE));
      bed.commit((b) => b.dropCollection(changed));
      bed.kill();
      t.true(isOriginal(bed, other, 'source'));
      t.is(bed.store.statfsSync().objects, 501);
    }
  });
}

test('a clone of a clone outlives both', (t) => {
  const bed = storeBed(t, TINY);
  fill(bed);
  bed.commit((b) => b.clone('c', 'source', 'a').clone('c', 'a', 'b'));
  bed.commit((b) => b.remove('c', 'source'));
  bed.commit((b) => b.remove('c', 'a'));
  bed.reopen();
  t.true(isOriginal(bed, 'c', 'b'));
});

test('clone() overwrites what was at its target', (t) => {
  const bed = storeBed(t);
  fill(bed);
  bed.commit((b) =>
    b.write('c', 'target', 0, Buffer.alloc(500_000, 1)).setAttribute('c', 'target', 'x', 'y'),
  );
  bed.commit((b) => b.clone('c', 'source', 'target'));
  t.true(isOriginal(bed, 'c', 'target'));
  t.is(bed.store.collection('c').object('target').getAttributeSync('x'), undefined);
  t.is(bed.store.statfsSync().stored, 2 * LARGE.length);
});

test('clone() onto itself changes nothing', (t) => {
  const bed = storeBed(t);
  fill(bed);
  const before = bed.store.collection('c').object('source').statSync();
  bed.commit((b) => b.clone('c', 'source', 'source'));
  t.deepEqual(bed.store.collection('c').object('source').statSync(), before);
});

test('clone() of an object with 100 000 map keys writes a bounded number of bytes', (t) => {
  const bed = storeBed(t, { size: 256 * 2 ** 20 });
  bed.commit((b) => b.createCollection('c').touch('c', 'o'));
  for (let i = 0; i < 100_000; i += 10_000) {
    bed.commit((b) =>
      b.mapSet(
        'c',
        'o',
        Array.from({ length: 10_000 }, (_, j) => [`key ${String(i + j).padStart(8, '0')}`, 'v']),
      ),
    );
  }
  bed.store.checkpointSync();
  const before = bed.device.bytesWritten;
  bed.commit((b) => b.clone('c', 'o', 'p'));
  bed.store.checkpointSync();
  const written = bed.device.bytesWritten - before;
  t.true(written < 128 * 1024, `${written} bytes`);
  bed.commit((b) => b.mapSet('c', 'p', [['key 00050000', 'changed']]));
  const read = (name: string): string =>
    Buffer.from(bed.store.collection('c').object(name).mapGetSync('key 00050000') ?? '').toString();
  t.is(read('o'), 'v');
  t.is(read('p'), 'changed');
  t.is(bed.store.collection('c').object('p').mapCountSync(), 100_000);
});

test('cloneCollection() and dropCollection() of 20 000 objects write a bounded number of bytes', (t) => {
  const bed = storeBed(t, { size: 256 * 2 ** 20 });
  bed.commit((b) => b.createCollection('c'));
  for (let i = 0; i < 20_000; i += 4000) {
    bed.commit((b) => {
      for (let j = i; j < i + 4000; j++) b.write('c', `object ${j}`, 0, 'some bytes');
    });
  }
  bed.store.checkpointSync();
  const before = bed.device.bytesWritten;
  bed.commit((b) => b.cloneCollection('c', 'd'));
  bed.store.checkpointSync();
  const cloned = bed.device.bytesWritten - before;
  t.true(cloned < 128 * 1024, `${cloned} bytes`);
  t.is(bed.store.collection('d').statSync().objects, 20_000);
  t.is(bed.store.statfsSync().objects, 40_000);
  bed.commit((b) => b.write('d', 'object 77', 0, 'SOME'));
  t.is(text(bed, 'c', 'object 77'), 'some bytes');
  t.is(text(bed, 'd', 'object 77'), 'SOME bytes');
  bed.store.checkpointSync();
  const start = bed.device.bytesWritten;
  bed.commit((b) => b.dropCollection('c'));
  const dropped = bed.device.bytesWritten - start;
  t.true(dropped < 16 * 1024, `${dropped} bytes`);
  t.is(bed.store.statfsSync().objects, 20_000);
  t.is(text(bed, 'd', 'object 78'), 'some bytes');
});
