/**
 * What a clone shares stays in place until both have given it up, whatever level it is shared at:
 * a leaf of onodes, of extents, of map records or of attributes.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { mkfsOn, Store, Transaction } from '../../src/index.js';

const OBJECTS = 120;
const SIZE = 9000; // three blocks, so that an overwrite can give back one of them

interface Made {
  readonly device: MemoryDevice;
  readonly store: Store;
}

function bytes(size: number, seed: number): Buffer {
  const made = Buffer.allocUnsafe(size);
  for (let i = 0; i < size; i++) made[i] = (i * 7 + seed) & 0xff;
  return made;
}

function name(index: number): string {
  return `object-${String(index).padStart(4, '0')}`;
}

/** A collection of more than a leaf of objects, each with data, and one large value each. */
function made(): Made {
  const device = new MemoryDevice({ size: 64 * 1024 * 1024 });
  mkfsOn(device);
  const store = Store.openOnSync(device);
  const transaction = new Transaction().createCollection('a');
  for (let i = 0; i < OBJECTS; i++) {
    transaction.write('a', name(i), 0, bytes(SIZE, i));
    transaction.setAttribute('a', name(i), 'large', bytes(6000, i + 1));
    transaction.mapSet('a', name(i), [['large', bytes(7000, i + 2)]]);
  }
  transaction.setCollectionAttribute('a', 'large', bytes(8000, 3));
  store.commitSync(transaction);
  return { device, store };
}

/** The clone is as it was made, and every block is counted right. */
function checkClone(made: Made): string[] {
  const { device, store } = made;
  const faults: string[] = [];
  // What was freed by mistake is handed out again here.
  const filler = new Transaction().createCollection('filler');
  for (let i = 0; i < 300; i++) filler.write('filler', `${i}`, 0, bytes(4096, 77));
  store.checkpointSync();
  store.checkpointSync();
  store.commitSync(filler);
  store.checkpointSync();
  const collection = store.collection('b');
  for (let i = 0; i < OBJECTS; i++) {
    const object = collection.object(name(i));
    const same =
      bytes(SIZE, i).equals(object.readSync()) &&
      bytes(6000, i + 1).equals(object.getAttributeSync('large') ?? new Uint8Array()) &&
      bytes(7000, i + 2).equals(object.mapGetSync('large') ?? new Uint8Array());
    if (!same) faults.push(`${name(i)} changed`);
  }
  const onFinding = ({ code, message }: { code: string; message: string }): void => {
    faults.push(`${code}: ${message}`);
  };
  runSync(fsck(device, { deep: true, comparators: new ComparatorRegistry(), onFinding }));
  store.closeSync();
  return faults;
}

const CHANGES: Readonly<Record<string, (transaction: Transaction, object: string) => unknown>> = {
  'a write over the first blocks': (transaction, object) =>
    transaction.write('a', object, 0, bytes(5000, 99)),
  'a write over the middle': (transaction, object) =>
    transaction.write('a', object, 4096, bytes(4096, 99)),
  'a write over everything': (transaction, object) =>
    transaction.write('a', object, 0, bytes(SIZE, 99)),
  truncate: (transaction, object) => transaction.truncate('a', object, 100),
  zero: (transaction, object) => transaction.zero('a', object, 4096, 4096),
  remove: (transaction, object) => transaction.remove('a', object),
  'another attribute value': (transaction, object) =>
    transaction.setAttribute('a', object, 'large', bytes(6000, 98)),
  removeAttributes: (transaction, object) => transaction.removeAttributes('a', object),
  'another map value': (transaction, object) =>
    transaction.mapSet('a', object, [['large', bytes(7000, 97)]]),
  mapRemove: (transaction, object) => transaction.mapRemove('a', object, ['large']),
  mapClear: (transaction, object) => transaction.mapClear('a', object),
  'a clone over it': (transaction, object) => transaction.clone('a', name(0), object),
  'a rename away': (transaction, object) =>
    transaction.moveRename('a', object, 'a', `${object}-moved`).remove('a', `${object}-moved`),
};

for (const [title, change] of Object.entries(CHANGES)) {
  for (const settled of [false, true]) {
    const when = settled ? 'after a checkpoint' : 'at once';
    test(`a cloned collection stays whole after ${title} in the original, ${when}`, (t) => {
      const all = made();
      const { store } = all;
      store.commitSync(new Transaction().cloneCollection('a', 'b'));
      if (settled) store.checkpointSync();
      for (let i = 1; i < OBJECTS; i += 9) {
        const transaction = new Transaction();
        change(transaction, name(i));
        store.commitSync(transaction);
      }
      t.deepEqual(checkClone(all), []);
    });
  }
}

test('a cloned collection keeps its large attribute', (t) => {
  const all = made();
  const { store } = all;
  store.commitSync(new Transaction().cloneCollection('a', 'b'));
  store.commitSync(new Transaction().setCollectionAttribute('a', 'large', bytes(8000, 96)));
  t.deepEqual(Buffer.from(store.collection('b').getAttributeSync('large') ?? []), bytes(8000, 3));
  t.deepEqual(checkClone(all), []);
});

test('a cloned object keeps extents that the other one overwrites', (t) => {
  const device = new MemoryDevice({ size: 64 * 1024 * 1024 });
  mkfsOn(device);
  const store = Store.openOnSync(device);
  const faults: string[] = [];
  store.commitSync(new Transaction().createCollection('a'));
  // Holes in between keep the extents apart: more of them than the onode's record takes.
  for (let i = 0; i < 200; i++) {
    store.commitSync(new Transaction().write('a', 'x', i * 16384, bytes(SIZE, i)));
  }
  const before = Buffer.from(store.collection('a').object('x').readSync());
  store.commitSync(new Transaction().clone('a', 'x', 'y'));
  store.checkpointSync();
  for (let i = 0; i < 200; i += 3) {
    store.commitSync(new Transaction().write('a', 'x', i * 16384, bytes(5000, 95)));
    store.commitSync(new Transaction().zero('a', 'x', (i + 1) * 16384, SIZE));
  }
  store.checkpointSync();
  store.checkpointSync();
  const filler = new Transaction();
  for (let i = 0; i < 300; i++) filler.write('a', `${i}`, 0, bytes(4096, 77));
  store.commitSync(filler);
  store.checkpointSync();
  t.true(before.equals(store.collection('a').object('y').readSync()));
  const onFinding = ({ code, message }: { code: string; message: string }): void => {
    faults.push(`${code}: ${message}`);
  };
  runSync(fsck(device, { deep: true, comparators: new ComparatorRegistry(), onFinding }));
  store.closeSync();
  t.deepEqual(faults, []);
});
