/**
 * Faults of superblock slots, of the superblock's own figures, and of the drop list.
 */

import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { emptyRoot } from '../../src/btree/root-record.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { setU32 } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import {
  encodeSuperblock,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  type Superblock,
} from '../../src/format/superblock.js';
import type { Engine } from '../../src/txn/engine.js';
import { DROP_FIRST } from '../../src/txn/store-state.js';
import { close, commit, newStore, open } from './fixture.js';
import { Planter, sealSlot } from './planter.js';

/** A fault, and all that fsck may say about it. */
export type Fault = readonly [codes: readonly string[], plant: (planter: Planter) => void];

const figures =
  (changes: Partial<Superblock>) =>
  (planter: Planter): void =>
    planter.putSuperblock(changes);

const lostSlot =
  (index: number) =>
  (planter: Planter): void => {
    const offset = planter.slots()[index] as number;
    planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
  };

export const SUPERBLOCK_FAULTS: Readonly<Record<string, Fault>> = {
  'nothing at all': [[], () => undefined],
  'a lost first slot': [['superblock-slot'], lostSlot(0)],
  'a lost second slot': [['superblock-slot'], lostSlot(1)],
  'a lost third slot': [['superblock-slot'], lostSlot(2)],
  'a lost fourth slot': [['superblock-slot'], lostSlot(3)],
  'a slot that says something else': [
    ['superblock-twins'],
    ({ superblock, image }) => {
      const offset = superblock.farOffset + (superblock.number % 2) * superblock.slotStride;
      image.set(encodeSuperblock({ ...superblock, label: 'other' }, offset), offset);
    },
  ],
  'an older number that is not the one before': [
    ['superblock-gap'],
    (planter) => planter.putSuperblock({ number: planter.superblock.number + 3 }),
  ],
  'groups cut in another way': [['superblock-geometry'], figures({ groupBlocks: 7800 })],
  'a wrong number of objects': [['superblock-objects'], figures({ objects: 2 })],
  'a wrong number of bytes': [['superblock-bytes'], figures({ storedBytes: 4999 })],
  'a collection id that was never given': [['collection-id'], figures({ nextCollection: 1 })],
  'an object id that was never given': [['object-id'], figures({ nextObject: 1 })],
  'a tree that nobody knows': [
    ['unknown-tree'],
    (planter) => {
      const runs = emptyRoot(treeSpec({ role: ROLE.runs }));
      planter.putSuperblock({ roots: { ...planter.superblock.roots, runs } });
    },
  ],
  'a device that ends too early': [
    ['device-short'],
    (planter) => {
      const blocks = planter.superblock.deviceBlocks + 1;
      planter.putSuperblock({ deviceBlocks: blocks, deviceBlocksMax: blocks });
    },
  ],
  'a root record that makes no sense': [
    ['root-damaged', 'space-unknown'],
    (planter) => {
      const reservations = Uint8Array.of(3);
      planter.putSuperblock({ roots: { ...planter.superblock.roots, reservations } });
    },
  ],
};

/** Faults with which there is nothing that could be checked. */
export const FATAL_FAULTS: Readonly<Record<string, Fault>> = {
  'the loss of all slots': [
    ['no-superblock'],
    (planter) => {
      for (const offset of planter.slots()) planter.image.fill(0, offset, offset + 8);
    },
  ],
  'slots of a newer version': [
    ['newer-format'],
    (planter) => {
      for (const offset of planter.slots()) {
        const slot = planter.image.subarray(offset, offset + SUPERBLOCK_SIZE);
        setU32(slot, SUPERBLOCK.version, 3);
        sealSlot(slot);
      }
    },
  ],
};

/** A small store with one object. */
export function smallStore(plant: (planter: Planter) => void): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'o', 0, new Uint8Array(5000)));
  close(engine);
  return planted(device, plant);
}

function planted(device: MemoryDevice, plant: (planter: Planter) => void): MemoryDevice {
  const planter = new Planter(device);
  plant(planter);
  planter.write();
  return device;
}

/** A store whose drop list holds the tree of a map. */
export function droppingStore(
  change: (engine: Engine) => void,
  plant: (planter: Planter) => void,
): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  const entries = Array.from({ length: 99 }, (_, i) => [`k${i}`, new Uint8Array(60)] as const);
  commit(engine, (tx) => tx.createCollection('c').touch('c', 'o').mapSet('c', 'o', entries));
  commit(engine, (tx) => tx.remove('c', 'o'));
  change(engine);
  close(engine);
  return planted(device, plant);
}

const park = ({ state }: Engine): void => {
  state.begin();
  state.parkDrop();
  state.commit();
};

const nothing = (): void => undefined;

/** Stores with faults of the drop list, by the code that fsck finds. */
export const DROP_FAULTS: Readonly<Record<string, () => MemoryDevice>> = {
  'drop-number': () => droppingStore(nothing, figures({ nextDrop: DROP_FIRST })),
  'drop-parked': () => droppingStore(park, nothing),
};
