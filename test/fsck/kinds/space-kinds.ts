/**
 * Planters of faults in reference counts, bitmaps and group summaries.
 */

import type { MemoryDevice } from '../../../src/blockdev/memory-device.js';
import { BLOCK_HEADER } from '../../../src/format/block.js';
import { getU32, setU32, setU64BigEndian } from '../../../src/format/bytes.js';
import { GROUP_SUMMARY } from '../../../src/format/group-summary.js';
import type { Where } from '../../../src/fsck/finding.js';
import { putSummary } from '../../../src/txn/group-store.js';
import { REFERENCE } from '../../../src/txn/reference-table.js';
import type { StoreState } from '../../../src/txn/store-state.js';
import { close, commit, newStore, open } from '../fixture.js';
import { addU32, flip, Planter } from '../planter.js';
import { copiesOf, inImage, type Kind, run, SEVERAL, upTo } from './kind.js';

/** Blocks of an object that three share, and of one that is alone. */
const SHARED_BLOCKS = 10;
const SINGLE_BLOCKS = 5;

const LEAK_BLOCKS = 7;

const MIB = 1024 * 1024;

/** Objects that share their blocks with two clones each, others between them, three groups in use. */
const spaceStore = copiesOf(() => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c'));
  for (const i of upTo(3)) {
    const [shared, single] = [new Uint8Array(10_000).fill(9), new Uint8Array(5000).fill(i + 1)];
    commit(engine, (tx) => tx.write('c', `a${i}`, 0, shared));
    commit(engine, (tx) => tx.write('c', `z${i}`, 0, single));
    commit(engine, (tx) => tx.clone('c', `a${i}`, `b${i}`).clone('c', `a${i}`, `d${i}`));
  }
  commit(engine, (tx) => tx.write('c', 'filler', 0, new Uint8Array(16 * MIB)));
  for (const at of [3, 8, 13]) commit(engine, (tx) => tx.zero('c', 'filler', at * MIB, MIB));
  commit(engine, (tx) => tx.truncate('c', 'filler', 100_000));
  close(engine);
  return device;
});

const byteRun = (start: number, length: number): Where => ({
  offset: start * 1024,
  length: length * 1024,
});

/** First blocks of the runs that have a reference count. */
function sharedRuns({ trees }: StoreState): number[] {
  const runs: number[] = [];
  const cursor = trees.references.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    if (getU32(cursor.valueBytes, cursor.valueStart) !== SHARED_BLOCKS) continue;
    runs.push(Number(Buffer.from(cursor.key()).readBigUInt64BE()));
  }
  return runs;
}

function keyOf(start: number): Uint8Array {
  const key = new Uint8Array(8);
  setU64BigEndian(key, 0, start);
  return key;
}

/** Writes a record of reference counts behind the back of their table. */
function putReference(state: StoreState, start: number, length: number, count: number): void {
  const value = new Uint8Array(REFERENCE.size);
  setU32(value, REFERENCE.length, length);
  setU32(value, REFERENCE.count, count);
  state.trees.references.put(keyOf(start), value);
}

/** Has the engine itself write a fault for each of some shared runs. */
function inState(
  plant: (state: StoreState, shared: number, index: number, planter: Planter) => Where,
): Kind {
  return {
    store: spaceStore,
    plant(device: MemoryDevice, count) {
      const planter = new Planter(device);
      const engine = open(device);
      const { state } = engine;
      const shared = sharedRuns(state).slice(0, count);
      state.begin();
      const places = shared.map((start, i) => plant(state, start, i, planter));
      state.commit();
      close(engine);
      return { places };
    },
    counts: SEVERAL,
  };
}

/** A fault in each of some blocks' marks, with the summaries that they then have. */
function inMarks(plant: (planter: Planter, index: number) => Where): Kind {
  return {
    store: spaceStore,
    plant: inImage((planter, count) => ({ places: upTo(count).map((i) => plant(planter, i)) })),
    counts: SEVERAL,
  };
}

/** A fault in the summary of each of some groups. */
function inSummaries(plant: (summary: Uint8Array) => void): Kind {
  return {
    store: spaceStore,
    plant: inImage((planter, count) => ({
      places: upTo(count).map((group) => {
        for (const summary of planter.summariesOf(group)) plant(summary);
        planter.sealSuperblock();
        return { tree: 'groups', ...run(planter, planter.bitmapOf(group), 1) };
      }),
    })),
    counts: SEVERAL,
  };
}

/** First block of the object that shares nothing, and whose bytes are all `index` + 1. */
function singleOf({ image, superblock }: Planter, index: number): number {
  const bytes = new Uint8Array(5000).fill(index + 1);
  const from = superblock.journalOffset + superblock.journalBytes;
  return Buffer.from(image.buffer).indexOf(bytes, from) / superblock.blockSize;
}

const NO_SUMMARY = {
  free: 1,
  longest: 1,
  address: 0,
  copy: 0,
  birth: 0,
  low: 0,
  high: 0,
  unerased: false,
};

export const SPACE_KINDS = {
  'reference-record': inState((state, shared) => {
    putReference(state, shared + SHARED_BLOCKS - 1, 1, 2);
    return { tree: 'references', ...byteRun(shared + SHARED_BLOCKS - 1, 1) };
  }),
  'reference-unmerged': inState((state, shared) => {
    putReference(state, shared, 4, 3);
    putReference(state, shared + 4, SHARED_BLOCKS - 4, 3);
    return { tree: 'references', ...byteRun(shared + 4, SHARED_BLOCKS - 4) };
  }),
  'reference-low': inState((state, shared) => {
    putReference(state, shared, SHARED_BLOCKS, 2);
    return byteRun(shared, SHARED_BLOCKS);
  }),
  'reference-high': inState((state, shared) => {
    putReference(state, shared, SHARED_BLOCKS, 4);
    return byteRun(shared, SHARED_BLOCKS);
  }),
  'reference-unused': inState((state, _shared, index, planter) => {
    const free = planter.freeRun(index, LEAK_BLOCKS);
    putReference(state, free, LEAK_BLOCKS, 2);
    return byteRun(free, LEAK_BLOCKS);
  }),
  'doubly-used': inState((state, shared) => {
    state.trees.references.delete(keyOf(shared));
    return byteRun(shared, SHARED_BLOCKS);
  }),
  'used-but-free': inMarks((planter, index) => {
    const single = singleOf(planter, index);
    planter.markWhole(single, false, SINGLE_BLOCKS);
    return byteRun(single, SINGLE_BLOCKS);
  }),
  'leaked-blocks': inMarks((planter, index) => {
    const free = planter.freeRun(index, LEAK_BLOCKS);
    planter.markWhole(free, true, LEAK_BLOCKS);
    return byteRun(free, LEAK_BLOCKS);
  }),
  'group-record': inState((state, _shared, index) => {
    putSummary(state.trees.groups, 1000 + index, NO_SUMMARY);
    return { tree: 'groups' };
  }),
  'group-free': inSummaries((summary) => addU32(summary, GROUP_SUMMARY.free, 1)),
  'group-longest': inSummaries((summary) => addU32(summary, GROUP_SUMMARY.longest, -1)),
  'bitmap-damaged': inMarks((planter, index) => {
    const bitmap = planter.bitmapOf(index);
    flip(planter.page(bitmap), BLOCK_HEADER.size + 900);
    return { tree: 'groups', ...run(planter, bitmap, 1) };
  }),
} as const satisfies Record<string, Kind>;
