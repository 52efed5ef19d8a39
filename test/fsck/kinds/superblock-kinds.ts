/**
 * Planters of faults in superblock slots and in the superblock's own figures.
 */

import { emptyRoot } from '../../../src/btree/root-record.js';
import { treeSpec } from '../../../src/btree/tree-spec.js';
import { setU32 } from '../../../src/format/bytes.js';
import { ROLE } from '../../../src/format/role.js';
import {
  decodeSuperblock,
  encodeSuperblock,
  SUPERBLOCK,
  SUPERBLOCK_SIZE,
  type Superblock,
} from '../../../src/format/superblock.js';
import { slotOffsets } from '../../../src/txn/superblock-slots.js';
import { close, commit, newStore, open } from '../fixture.js';
import { type Planter, sealSlot } from '../planter.js';
import { shortened } from '../repair-fixture.js';
import { copiesOf, inImage, type Kind, type Planted, SEVERAL, upTo } from './kind.js';
import { treeStore } from './tree-kinds.js';

/** Four collections with an object each. */
export const smallStore = copiesOf(() => {
  const device = newStore();
  const engine = open(device);
  for (const name of ['c', 'd', 'e', 'f']) {
    commit(engine, (tx) => tx.createCollection(name).write(name, 'o', 0, new Uint8Array(5000)));
  }
  close(engine);
  return device;
});

const ONE_OF_A_STORE = 'It is said of the store as a whole.';

function single(plant: (planter: Planter) => void, more: Partial<Kind> = {}): Kind {
  return {
    store: smallStore,
    plant: inImage((planter): Planted => {
      plant(planter);
      return { places: [{}] };
    }),
    counts: [1],
    fewer: ONE_OF_A_STORE,
    ...more,
  };
}

const figures = (change: (superblock: Superblock) => Partial<Superblock>): Kind =>
  single((planter) => planter.putSuperblock(change(planter.superblock)));

/** Makes the slots of one number say different things. */
function splitTwins({ superblock, image }: Planter, parity: number): Planted['places'][number] {
  const [near, far] = slotOffsets(superblock, parity);
  const slot = image.subarray(near, near + SUPERBLOCK_SIZE);
  const changed = { ...decodeSuperblock(slot, near), label: 'other' };
  image.set(encodeSuperblock(changed, far), far);
  return { offset: near, length: SUPERBLOCK_SIZE };
}

export const SUPERBLOCK_KINDS = {
  'no-superblock': single(
    (planter) => {
      for (const offset of planter.slots()) planter.image.fill(0, offset, offset + 8);
    },
    {
      store: treeStore,
      asked: { rebuildSuperblock: true },
      moved: (name) => `lost+found/${name.replace('c/', '#1/')}`,
    },
  ),
  'newer-format': single(
    (planter) => {
      for (const offset of planter.slots()) {
        const slot = planter.image.subarray(offset, offset + SUPERBLOCK_SIZE);
        setU32(slot, SUPERBLOCK.version, 1000);
        sealSlot(slot);
      }
    },
    { stays: 'Nothing is known of what the version means.' },
  ),
  'device-short': {
    store: smallStore,
    plant: (device) => {
      const size = device.size - 64 * 1024;
      return { places: [{ offset: size, length: 64 * 1024 }], device: shortened(device, size) };
    },
    counts: [1],
    fewer: ONE_OF_A_STORE,
  },
  'superblock-slot': {
    store: smallStore,
    plant: inImage((planter, count) => {
      const lost = planter.slots().slice(0, count);
      for (const offset of lost) planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
      return { places: lost.map((offset) => ({ offset, length: SUPERBLOCK_SIZE })) };
    }),
    counts: SEVERAL,
  },
  'superblock-twins': {
    store: smallStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => splitTwins(planter, (planter.superblock.number + i) % 2)),
    })),
    counts: [1, 2],
    fewer: 'There are two pairs of slots.',
  },
  'superblock-gap': figures(({ number }) => ({ number: number + 2 })),
  'superblock-geometry': figures(({ groupBlocks }) => ({ groupBlocks: groupBlocks - 8 })),
  'superblock-objects': figures(({ objects }) => ({ objects: objects + 1 })),
  'superblock-bytes': figures(({ storedBytes }) => ({ storedBytes: storedBytes - 1 })),
  'unknown-tree': {
    store: smallStore,
    plant: inImage((planter) => {
      const { roots } = planter.superblock;
      const runs = emptyRoot(treeSpec({ role: ROLE.runs }));
      planter.putSuperblock({ roots: { ...roots, runs } });
      return { places: [{ tree: 'runs' }] };
    }),
    counts: [1],
    fewer: 'A superblock has one root that is not written.',
  },
  'collection-id': {
    store: smallStore,
    plant: inImage((planter, count) => {
      const { nextCollection } = planter.superblock;
      planter.putSuperblock({ nextCollection: nextCollection - count });
      const names = ['c', 'd', 'e', 'f'].slice(-count);
      return {
        places: names.map((name) => ({ tree: 'collections', collection: JSON.stringify(name) })),
      };
    }),
    counts: SEVERAL,
  },
  'object-id': {
    store: smallStore,
    plant: inImage((planter, count) => {
      const { nextObject } = planter.superblock;
      planter.putSuperblock({ nextObject: nextObject - count });
      const names = ['c', 'd', 'e', 'f'].slice(-count);
      const place = { tree: 'objects', object: '"o"' };
      return { places: names.map((name) => ({ ...place, collection: JSON.stringify(name) })) };
    }),
    counts: SEVERAL,
  },
} as const satisfies Record<string, Kind>;
