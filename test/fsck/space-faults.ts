/**
 * Faults of reference counts, bitmaps and group summaries, in stores where two objects share data.
 */

import type { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { setU32, setU64BigEndian } from '../../src/format/bytes.js';
import { GROUP_SUMMARY } from '../../src/format/group-summary.js';
import type { Engine } from '../../src/txn/engine.js';
import { REFERENCE } from '../../src/txn/reference-table.js';
import type { StoreState } from '../../src/txn/store-state.js';
import { close, commit, newStore, open } from './fixture.js';
import { addU32, flip, type Planter } from './planter.js';

/** A store with an object, and a clone that shares its ten blocks. */
export function sharingStore(change: (engine: Engine) => void = () => undefined): MemoryDevice {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').write('c', 'a', 0, new Uint8Array(10_000)));
  commit(engine, (tx) => tx.clone('c', 'a', 'b').write('c', 'd', 0, new Uint8Array(3000)));
  change(engine);
  close(engine);
  return device;
}

interface Blocks {
  /** First of the ten blocks that two objects share. */
  readonly shared: number;
  /** First of three blocks that one object has. */
  readonly single: number;
}

function blocksOf({ trees }: StoreState): Blocks {
  const cursor = trees.references.cursor();
  cursor.seekFirst();
  const shared = Number(Buffer.from(cursor.key()).readBigUInt64BE());
  return { shared, single: shared + 10 };
}

/** Writes a record of reference counts behind the back of their table. */
function putReference(state: StoreState, start: number, length: number, count: number): void {
  const key = new Uint8Array(8);
  setU64BigEndian(key, 0, start);
  const value = new Uint8Array(REFERENCE.size);
  setU32(value, REFERENCE.length, length);
  setU32(value, REFERENCE.count, count);
  state.trees.references.put(key, value);
}

/** What is done to the engine's own state behind its back, and what fsck then finds. */
export const ENGINE_FAULTS: Readonly<Record<string, (state: StoreState, blocks: Blocks) => void>> =
  {
    'reference-high': (state, { shared }) => putReference(state, shared, 10, 3),
    'reference-low': (state, { shared }) => putReference(state, shared, 10, 2),
    'reference-unmerged': (state, { shared }) => {
      putReference(state, shared, 4, 2);
      putReference(state, shared + 4, 6, 2);
    },
    'reference-unused': (state, { single }) => putReference(state, single + 500, 7, 2),
    'reference-record': (state, { shared }) => putReference(state, shared + 9, 1, 2),
    'doubly-used': ({ trees }) => {
      for (let key = trees.references.firstKey(); key; key = trees.references.firstKey()) {
        trees.references.delete(key);
      }
    },
    'leaked-blocks': ({ allocator }) => {
      allocator.allocate(6, { purpose: 'data' });
    },
    'used-but-free': ({ allocator }, { single }) => allocator.free({ start: single, length: 2 }),
  };

/** A store in which the engine itself was made to write a fault. */
export function faultyStore(code: string): MemoryDevice {
  return sharingStore((engine) => {
    const { state } = engine;
    const blocks = blocksOf(state);
    if (code === 'reference-low') commit(engine, (tx) => tx.clone('c', 'a', 'e'));
    state.begin();
    ENGINE_FAULTS[code]?.(state, blocks);
    state.commit();
  });
}

/** The GROUP_SUMMARY of the first group that has a bitmap, in both newest superblocks' roots. */
function changeSummary(planter: Planter, change: (summary: Uint8Array) => void): void {
  const { roots } = planter.superblock;
  const groups = roots.groups.slice();
  change(groups.subarray(groups.length - GROUP_SUMMARY.size));
  planter.putSuperblock({ roots: { ...roots, groups } });
}

/** Faults planted in the image, and all that fsck may say about each. */
export const SPACE_FAULTS: Readonly<
  Record<string, readonly [codes: readonly string[], plant: (planter: Planter) => void]>
> = {
  'a summary that counts a block too many': [
    ['group-free'],
    (planter) => changeSummary(planter, (summary) => addU32(summary, GROUP_SUMMARY.free, 1)),
  ],
  'a summary with a longest run that is too short': [
    ['group-longest'],
    (planter) => changeSummary(planter, (summary) => addU32(summary, GROUP_SUMMARY.longest, -1)),
  ],
  'a summary with more free blocks than there are': [
    ['group-free', 'group-record'],
    (planter) => changeSummary(planter, (summary) => addU32(summary, GROUP_SUMMARY.free, 100_000)),
  ],
  'a flipped byte in a bitmap': [
    ['bitmap-damaged'],
    (planter) => flip(planter.page(planter.bitmaps()[0] ?? 0), BLOCK_HEADER.size + 900),
  ],
};
