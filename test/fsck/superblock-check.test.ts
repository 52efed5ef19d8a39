/**
 * Faults of superblock slots and of the superblock's own figures.
 */

import test from 'ava';
import { emptyRoot } from '../../src/btree/root-record.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { setU32 } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { encodeSuperblock, SUPERBLOCK, SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import type { Engine } from '../../src/txn/engine.js';
import { DROP_FIRST } from '../../src/txn/store-state.js';
import { check, close, commit, newStore, open } from './fixture.js';
import { Planter, sealSlot } from './planter.js';

/** What fsck finds in a small store after `plant`. */
function found(plant: (planter: Planter) => void): readonly string[] {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o', 0, new Uint8Array(5000)));
  close(engine);
  const planter = new Planter(device);
  plant(planter);
  planter.write();
  return check(device, { deep: true }).codes;
}

test('fsck() finds nothing in a small store', (t) => {
  t.deepEqual(
    found(() => undefined),
    [],
  );
});

for (const index of [0, 1, 2, 3]) {
  test(`fsck() finds superblock-slot when slot ${index} is lost`, (t) => {
    const codes = found((planter) => {
      const offset = planter.slots()[index] as number;
      planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
    });
    t.deepEqual(codes, ['superblock-slot']);
  });
}

test('fsck() finds superblock-twins when one slot says something else', (t) => {
  const codes = found(({ superblock, image }) => {
    const offset = superblock.farOffset + (superblock.number % 2) * superblock.slotStride;
    image.set(encodeSuperblock({ ...superblock, label: 'other' }, offset), offset);
  });
  t.deepEqual(codes, ['superblock-twins']);
});

test('fsck() finds superblock-gap when the older number is not the one before', (t) => {
  const codes = found((planter) => {
    planter.putSuperblock({ number: planter.superblock.number + 3 });
  });
  t.deepEqual(codes, ['superblock-gap']);
});

test('fsck() ends with no-superblock when all slots are lost', (t) => {
  const codes = found((planter) => {
    for (const offset of planter.slots()) planter.image.fill(0, offset, offset + 8);
  });
  t.deepEqual(codes, ['no-superblock']);
});

test('fsck() ends with newer-format when the slots are of a newer version', (t) => {
  const codes = found(({ image, ...planter }) => {
    const { slotStride, farOffset } = planter.superblock;
    for (const offset of [0, slotStride, farOffset, farOffset + slotStride]) {
      const slot = image.subarray(offset, offset + SUPERBLOCK_SIZE);
      setU32(slot, SUPERBLOCK.version, 2);
      sealSlot(slot);
    }
  });
  t.deepEqual(codes, ['newer-format']);
});

test('fsck() ends with device-short when the device ends too early', (t) => {
  const codes = found((planter) => {
    const { deviceBlocks } = planter.superblock;
    planter.putSuperblock({ deviceBlocks: deviceBlocks + 1, deviceBlocksMax: deviceBlocks + 1 });
  });
  t.deepEqual(codes, ['device-short']);
});

const FIGURES = [
  ['superblock-geometry', { groupBlocks: 7800 }],
  ['superblock-objects', { objects: 2 }],
  ['superblock-bytes', { storedBytes: 4999 }],
  ['collection-id', { nextCollection: 1 }],
  ['object-id', { nextObject: 1 }],
] as const;

for (const [code, changes] of FIGURES) {
  test(`fsck() finds ${code} when the superblock says ${JSON.stringify(changes)}`, (t) => {
    t.deepEqual(
      found((planter) => planter.putSuperblock(changes)),
      [code],
    );
  });
}

test('fsck() finds unknown-tree when there is a tree that it does not know', (t) => {
  const codes = found((planter) => {
    const runs = emptyRoot(treeSpec({ role: ROLE.runs }));
    planter.putSuperblock({ roots: { ...planter.superblock.roots, runs } });
  });
  t.deepEqual(codes, ['unknown-tree']);
});

test('fsck() finds root-damaged when a root record makes no sense', (t) => {
  const codes = found((planter) => {
    const reservations = Uint8Array.of(3);
    planter.putSuperblock({ roots: { ...planter.superblock.roots, reservations } });
  });
  t.deepEqual(codes, ['root-damaged', 'space-unknown']);
});

/** What fsck finds in a store whose drop list holds the tree of a map. */
function foundWithDrop(
  change: (engine: Engine) => void,
  plant: (planter: Planter) => void,
): readonly string[] {
  const device = newStore();
  const engine = open(device);
  const entries = Array.from({ length: 99 }, (_, i) => [`k${i}`, new Uint8Array(60)] as const);
  commit(engine, (tx) => tx.createCollection('c').touch('c', 'o').mapSet('c', 'o', entries));
  commit(engine, (tx) => tx.remove('c', 'o'));
  change(engine);
  close(engine);
  const planter = new Planter(device);
  plant(planter);
  planter.write();
  return check(device).codes;
}

const nothing = (): void => undefined;

test('fsck() walks the drop list', (t) => {
  t.deepEqual(foundWithDrop(nothing, nothing), []);
});

test('fsck() finds drop-number when a drop has a number of the future', (t) => {
  const codes = foundWithDrop(nothing, (planter) =>
    planter.putSuperblock({ nextDrop: DROP_FIRST }),
  );
  t.deepEqual(codes, ['drop-number']);
});

test('fsck() finds drop-parked when a drop was put aside', (t) => {
  const park = ({ state }: Engine): void => {
    state.begin();
    state.parkDrop();
    state.commit();
  };
  t.deepEqual(foundWithDrop(park, nothing), ['drop-parked']);
});
