/**
 * Planters of faults in the nodes of trees and in the pointers between them.
 */

import { assert } from '../../../src/assert.js';
import type { MemoryDevice } from '../../../src/blockdev/memory-device.js';
import { BODY_START, NODE_BODY } from '../../../src/btree/node-format.js';
import { BLOCK_HEADER } from '../../../src/format/block.js';
import { getU48, setU16, setU48, setU64 } from '../../../src/format/bytes.js';
import { writeHash } from '../../../src/format/checksum.js';
import { POINTER } from '../../../src/format/pointer.js';
import { ROLE } from '../../../src/format/role.js';
import type { Where } from '../../../src/fsck/finding.js';
import { close, commit, newStore, open, SMALL } from '../fixture.js';
import { addU32, flip, Planter } from '../planter.js';
import { failing } from '../repair-fixture.js';
import { onodeOf } from '../tree-faults.js';
import {
  copiesOf,
  inImage,
  type Kind,
  type Planted,
  run,
  SEVERAL,
  SPACE_UNKNOWN,
  UNCOUNTED,
  upTo,
} from './kind.js';

/** Blocks of one node in `treeStore`. */
const NODE_BLOCKS = 1;

const entriesOf = (count: number): (readonly [string, Uint8Array])[] =>
  upTo(count).map((i) => [`k${String(i).padStart(3, '0')}`, new Uint8Array(50)]);

/** Small objects in a tree of several levels, and three of each kind of large one. */
export const treeStore = copiesOf(() => makeTrees(1));

/** The same with all metadata twice. */
const doubleStore = copiesOf(() => makeTrees(2));

function makeTrees(metadataCopies: 1 | 2): MemoryDevice {
  const device = newStore({ ...SMALL, metadataCopies });
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (const i of upTo(40)) {
    const name = `object-${String(i).padStart(3, '0')}`;
    commit(engine, (tx) => tx.write('c', name, 0, new Uint8Array(1500).fill(i)));
  }
  for (const i of upTo(3)) {
    commit(engine, (tx) => tx.touch('c', `map-${i}`).mapSet('c', `map-${i}`, entriesOf(100)));
    commit(engine, (tx) => tx.touch('c', `leaf-${i}`).mapSet('c', `leaf-${i}`, entriesOf(8)));
    const value = new Uint8Array(9000).fill(i);
    commit(engine, (tx) => tx.touch('c', `value-${i}`).setAttribute('c', `value-${i}`, 'v', value));
    commit(engine, (tx) => {
      for (const at of upTo(30)) {
        if (at % 10 === 5) continue;
        tx.write('c', `large-${i}`, at * 3000, new Uint8Array(3000).fill(at + i));
      }
      tx.truncate('c', `large-${i}`, 100_000);
    });
  }
  close(engine);
  return device;
}

/** Where something of an object is. */
export function placeOf(tree: string, object: string, where: Where = {}): Where {
  return { tree, collection: '"c"', object: JSON.stringify(object), ...where };
}

/** The onode of an object, and what makes its leaf right again. */
export function editOnode(
  planter: Planter,
  name: string,
  edit: (record: Uint8Array) => void,
): void {
  const { leaf, record } = onodeOf(planter, name);
  edit(record);
  planter.seal(leaf);
}

/** Address of the branch that an object's map has for its root. */
function branchOf(planter: Planter, name: string): number {
  const { record } = onodeOf(planter, name);
  return getU48(record, record.length - POINTER.size);
}

/** Addresses of the leaves below it. */
function leavesOf(planter: Planter, name: string): number[] {
  const entries = planter.entries(branchOf(planter, name));
  return entries.map(({ value }) => getU48(value, POINTER.address));
}

/** The pointer to the second of them, in the branch. */
function leafPointer(planter: Planter, name: string): Uint8Array {
  const value = planter.entries(branchOf(planter, name))[1]?.value;
  assert(value !== undefined, 'a branch has two children');
  return value;
}

/** A fault in the second leaf of each of some maps. */
function inLeaves(plant: (planter: Planter, leaf: number) => void, more: Partial<Kind> = {}): Kind {
  return {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        const leaf = leavesOf(planter, `map-${i}`)[1] as number;
        const where = run(planter, leaf, NODE_BLOCKS);
        plant(planter, leaf);
        return placeOf('map', `map-${i}`, where);
      }),
      ...(more.because !== undefined && { implied: [SPACE_UNKNOWN] }),
    })),
    counts: SEVERAL,
    losses: /^c\/map-/,
    ...more,
  };
}

/** A fault in the pointer to the root of each of some maps. */
function inPointers(
  plant: (planter: Planter, pointer: Uint8Array) => Where,
  more: Partial<Kind> = {},
): Kind {
  return {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        let where: Where = {};
        editOnode(planter, `map-${i}`, (record) => {
          where = plant(planter, record.subarray(record.length - POINTER.size));
        });
        return placeOf('map', `map-${i}`, where);
      }),
      implied: [SPACE_UNKNOWN],
    })),
    counts: SEVERAL,
    because: UNCOUNTED,
    losses: /^c\/map-/,
    ...more,
  };
}

function putFirstKey(planter: Planter, leaf: number, key: string): void {
  planter.entries(leaf)[0]?.key.set(Buffer.from(key));
  planter.seal(leaf);
}

const damage = (planter: Planter, leaf: number): void => flip(planter.page(leaf), 600);

/** Puts a branch, in a block of its own, between an object and the only leaf of its map. */
function insertBranch(planter: Planter, name: string, address: number): Where {
  const model = planter.page(planter.nodes(ROLE.map, 1)[0] as number);
  const at = address * planter.superblock.blockSize;
  const branch = planter.image.subarray(at, at + model.length);
  const start = branch.length - 1 - POINTER.size;
  editOnode(planter, name, (record) => {
    const pointer = record.subarray(record.length - POINTER.size);
    branch.set(model);
    branch.fill(0, BODY_START + NODE_BODY.size);
    branch.set(pointer, start + 1);
    setU16(branch, BODY_START + NODE_BODY.count, 1);
    setU16(branch, BODY_START + NODE_BODY.heapStart, start - BODY_START);
    setU16(branch, BODY_START + NODE_BODY.size, start - BODY_START);
    setU64(branch, BLOCK_HEADER.address, address);
    setU64(branch, BLOCK_HEADER.birth, getU48(pointer, POINTER.birth));
    writeHash(branch, BLOCK_HEADER.checksum, branch, BLOCK_HEADER.magic, branch.length);
    setU48(pointer, POINTER.address, address);
    pointer.set(branch.subarray(BLOCK_HEADER.checksum, BLOCK_HEADER.magic), POINTER.checksum);
    pointer[POINTER.level] = 1;
  });
  return run(planter, address, NODE_BLOCKS);
}

/** Blocks that nothing refers to, and are marked. */
function takeBlocks(device: MemoryDevice, count: number): number[] {
  const engine = open(device);
  engine.state.begin();
  const taken = upTo(count).map(
    () => engine.state.allocator.allocate(NODE_BLOCKS, { purpose: 'data' })[0]?.start ?? 0,
  );
  engine.state.commit();
  close(engine);
  return taken;
}

const OF_A_NODE: Pick<Kind, 'because'> = { because: UNCOUNTED };

export const TREE_KINDS = {
  unreadable: {
    store: treeStore,
    plant(device, count) {
      const planter = new Planter(device);
      const leaves = upTo(count).map((i) => leavesOf(planter, `map-${i}`)[1] as number);
      return {
        device: failing(device, ...leaves),
        places: leaves.map((leaf, i) => placeOf('map', `map-${i}`, run(planter, leaf, 1))),
        implied: [SPACE_UNKNOWN],
      };
    },
    counts: SEVERAL,
    because: UNCOUNTED,
    losses: /^c\/map-/,
  },
  'outside-device': inPointers((planter, pointer) => {
    const { deviceBlocks } = planter.superblock;
    setU48(pointer, POINTER.address, deviceBlocks);
    return run(planter, deviceBlocks, NODE_BLOCKS);
  }),
  'in-fixed-place': inPointers((planter, pointer) => {
    const start = planter.superblock.journalOffset / planter.superblock.blockSize;
    setU48(pointer, POINTER.address, start);
    return run(planter, start, NODE_BLOCKS);
  }),
  'copy-damaged': {
    store: doubleStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        const pointer = leafPointer(planter, `map-${i}`);
        const copy = getU48(pointer, i % 2 === 0 ? POINTER.copy : POINTER.address);
        flip(planter.page(copy), 600);
        return placeOf('map', `map-${i}`, run(planter, copy, NODE_BLOCKS));
      }),
    })),
    counts: SEVERAL,
    losses: /^$/,
  },
  'copy-place': {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        const pointer = leafPointer(planter, `map-${i}`);
        setU48(pointer, POINTER.copy, planter.superblock.deviceBlocks);
        planter.seal(branchOf(planter, `map-${i}`));
        const leaf = getU48(pointer, POINTER.address);
        return placeOf('map', `map-${i}`, run(planter, leaf, NODE_BLOCKS));
      }),
    })),
    counts: SEVERAL,
    losses: /^$/,
  },
  'pointer-damaged': inPointers((_planter, pointer) => {
    pointer[POINTER.flags] = 0x80;
    return {};
  }),
  'pointer-totals': {
    store: treeStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((i) => {
        let root = 0;
        editOnode(planter, `map-${i}`, (record) => {
          const pointer = record.subarray(record.length - POINTER.size);
          addU32(pointer, POINTER.records, 1);
          root = getU48(pointer, POINTER.address);
        });
        return placeOf('map', `map-${i}`, run(planter, root, NODE_BLOCKS));
      }),
    })),
    counts: SEVERAL,
  },
  'node-damaged': inLeaves(damage, OF_A_NODE),
  'node-malformed': inLeaves((planter, leaf) => {
    addU32(planter.page(leaf), BODY_START + NODE_BODY.count, 1);
    planter.seal(leaf);
  }, OF_A_NODE),
  'block-copy': inLeaves((planter, leaf) => flip(planter.page(leaf), 3), { losses: /^$/ }),
  'node-underfull': {
    store: treeStore,
    plant(device, count) {
      const blocks = takeBlocks(device, count);
      const planter = new Planter(device);
      const places = blocks.map((block, i) =>
        placeOf('map', `leaf-${i}`, insertBranch(planter, `leaf-${i}`, block)),
      );
      planter.write();
      return { places };
    },
    counts: SEVERAL,
  },
  'key-order': inLeaves((planter, leaf) => putFirstKey(planter, leaf, 'k999')),
  'key-bounds': inLeaves((planter, leaf) => putFirstKey(planter, leaf, 'a000')),
  'space-unknown': {
    store: treeStore,
    plant: inImage((planter): Planted => {
      const leaf = leavesOf(planter, 'map-0')[1] as number;
      damage(planter, leaf);
      const where = placeOf('map', 'map-0', run(planter, leaf, NODE_BLOCKS));
      return { places: [{}], implied: [{ code: 'node-damaged', ...where }] };
    }),
    counts: [1],
    fewer: 'It is said of the store as a whole.',
    because: 'It is what follows from something that cannot be walked.',
    losses: /^c\/map-0$/,
  },
} as const satisfies Record<string, Kind>;
