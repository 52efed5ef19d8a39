/** Where appends go: an object that grows among others has few runs, and no one is refused for it. */

import test from 'ava';
import type { Allocator } from '../../src/alloc/allocator.js';
import { AppendWindows, WINDOWS_MAX, type WindowWish } from '../../src/alloc/append-windows.js';
import { type BlockRun, endOf, mergeRuns, totalLength } from '../../src/alloc/block-run.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { StoredGroups } from './stored-groups.js';

const BLOCK = 4096;
const MIB_BLOCKS = 2 ** 20 / BLOCK;

/** Windows of so many blocks each. */
function windowsOf(blocks: number): WindowWish {
  return { blocks, lead: 0, further: blocks };
}

/** As a store asks for on a device that can't grow. */
const WINDOW = windowsOf(4 * MIB_BLOCKS);

/** The one that is looked at, and a hundred others. */
const OBJECTS = 101;

/** Objects that grow in turn. */
class Growth {
  readonly stored: StoredGroups;
  allocator: Allocator;
  readonly objects: BlockRun[][] = Array.from({ length: OBJECTS }, () => []);

  constructor(blockCount: number, stripeBlocks = 0) {
    this.stored = new StoredGroups({
      blockSize: BLOCK,
      blockCount,
      stripeBlocks,
      bitmapBytesMax: 2 ** 23,
    });
    this.allocator = this.stored.open();
  }

  /** Appends to each object until it has `blocks` blocks. */
  growTo(blocks: number, piece: number): void {
    const { stripeBlocks } = this.allocator.geometry;
    for (let size = totalLength(this.objects[0] ?? []); size < blocks; size += piece) {
      for (const runs of this.objects) {
        const last = runs.at(-1);
        const goal = last === undefined ? {} : { hint: endOf(last), window: WINDOW };
        const stripes = stripeBlocks > 1 ? { stripesOnly: true } : {};
        const placed = this.allocator.allocate(piece, { purpose: 'data', ...goal, ...stripes });
        if (totalLength(placed) < piece) throw new Error('an append was refused');
        for (const run of placed) add(runs, run);
      }
    }
  }

  /** A checkpoint, and an open that knows no more than its bitmaps. */
  reopen(): void {
    this.stored.checkpoint(this.allocator);
    this.allocator = this.stored.open({ generation: this.allocator.generation });
  }

  get mostRuns(): number {
    return Math.max(...this.objects.map((runs) => runs.length));
  }
}

function add(runs: BlockRun[], run: BlockRun): void {
  const last = runs.at(-1);
  if (last === undefined || endOf(last) !== run.start) runs.push(run);
  else runs[runs.length - 1] = { start: last.start, length: last.length + run.length };
}

for (const piece of [1, 16, 3 * 16 + 1, MIB_BLOCKS]) {
  const name = `pieces of ${piece * 4} KiB`;

  test(`${name} in turn to ${OBJECTS} objects: a run for each 4 MiB`, (t) => {
    const growth = new Growth(3 * OBJECTS * 16 * MIB_BLOCKS);
    growth.growTo(16 * MIB_BLOCKS, piece);
    t.true(growth.mostRuns <= 5, `${growth.mostRuns} runs`);
    growth.allocator.verify();
  });

  test(`${name} go on where they were after an open`, (t) => {
    const growth = new Growth(3 * OBJECTS * 16 * MIB_BLOCKS);
    growth.growTo(6 * MIB_BLOCKS, piece);
    const before = growth.mostRuns;
    growth.reopen();
    growth.growTo(8 * MIB_BLOCKS, piece);
    t.true(growth.mostRuns <= before + 1, `${before}, then ${growth.mostRuns} runs`);
  });
}

test('whole stripes that are appended in turn: a run for each 4 MiB', (t) => {
  const growth = new Growth(3 * OBJECTS * 16 * MIB_BLOCKS, 64);
  growth.growTo(16 * MIB_BLOCKS, 128);
  t.true(growth.mostRuns <= 5, `${growth.mostRuns} runs`);
  for (const { start, length } of growth.objects.flat()) t.is((start % 64) + (length % 64), 0);
});

test('an append that is no multiple of its alignment ends', (t) => {
  const { allocator } = new Growth(2 * 32_384);
  for (const length of [13, 16, 109]) {
    const runs = allocator.allocate(length, {
      purpose: 'data',
      hint: 84,
      window: windowsOf(59),
      align: 16,
    });
    t.is(totalLength(runs), length);
  }
  allocator.verify();
});

test('a device takes appends to its last block', (t) => {
  const growth = new Growth(OBJECTS * 4 * MIB_BLOCKS + 1);
  growth.growTo(4 * MIB_BLOCKS, 16);
  t.is(growth.allocator.freeBlocks, 0);
  const all = growth.objects.flat();
  t.is(totalLength(mergeRuns(all)), totalLength(all));
  growth.allocator.verify();
});

test('an aged device at 80 % has as many runs as it has free ones to give', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const growth = new Growth(64 * 32_384);
  const { allocator, stored } = growth;
  const objects: (readonly BlockRun[])[] = [];
  const length = () => Math.floor(2 ** (12 * prng.next()));
  const isFull = () => allocator.freeBlocks < allocator.totalBlocks / 5;
  while (!isFull()) objects.push(allocator.allocate(length(), { purpose: 'data' }));
  for (let i = 0; i < 5 * objects.length; i++) {
    const index = prng.below(objects.length);
    for (const run of objects[index] ?? []) allocator.free(run);
    objects[index] = isFull() ? [] : allocator.allocate(length(), { purpose: 'data' });
    if (i % 500 === 499) stored.checkpoint(allocator);
  }
  stored.checkpoint(allocator);
  const longest = freeRuns(allocator);
  growth.growTo(2 * MIB_BLOCKS, 16);
  const runs = growth.objects.map((one) => one.length).sort((a, b) => a - b);
  // The first piece of an object, and as many runs as would hold the rest if none were left over.
  const share = longest.slice(0, OBJECTS).filter((blocks) => blocks >= 2 * MIB_BLOCKS).length;
  t.log(`${share} free runs of 2 MiB for ${OBJECTS} objects, median ${runs[OBJECTS >> 1]} runs`);
  t.true((runs[OBJECTS >> 1] ?? 0) <= (share === OBJECTS ? 2 : 8));
  allocator.verify();
});

/** Lengths of the free runs, longest first. */
function freeRuns(allocator: Allocator): number[] {
  const lengths: number[] = [];
  for (let group = 0; group < allocator.geometry.groupCount; group++) {
    for (const { length } of allocator.runsOf(group, 'free')) lengths.push(length);
  }
  return lengths.sort((a, b) => b - a);
}

test('others keep out of a window as long as there is room elsewhere, and then use it', (t) => {
  const { allocator } = new Growth(32_384);
  const [first] = allocator.allocate(1, { purpose: 'data' }) as [BlockRun];
  allocator.allocate(1, { purpose: 'data' }); // so that the object can't go on behind itself
  const [grown] = allocator.allocate(4, {
    purpose: 'data',
    hint: endOf(first),
    window: windowsOf(1024),
  }) as [BlockRun];
  const kept = { from: grown.start, to: grown.start + 1024 };
  const isKept = ({ start, length }: BlockRun) => start < kept.to && start + length > kept.from;
  const left = allocator.freeBlocks - (1024 - 4);
  for (let i = 0; i < left; i += 8) {
    const run = allocator.allocate(Math.min(8, left - i), { purpose: 'data' });
    t.false(run.some(isKept), `${i} of ${left}`);
  }
  t.is(totalLength(allocator.allocate(allocator.freeBlocks, { purpose: 'data' })), 1024 - 4);
});

test('an append that was taken back finds its place again', (t) => {
  const { allocator } = new Growth(32_384);
  const [first] = allocator.allocate(1, { purpose: 'data' }) as [BlockRun];
  allocator.allocate(1, { purpose: 'data' });
  const append = () =>
    allocator.allocate(3, { purpose: 'data', hint: endOf(first), window: WINDOW });
  const mark = allocator.mark();
  const places = Array.from({ length: 3 }, () => {
    const runs = append();
    allocator.rewind(mark);
    return runs;
  });
  t.deepEqual(places[1], places[0]);
  t.deepEqual(places[2], places[0]);
});

test('a window that happens to lie around the end of its object takes what is appended', (t) => {
  const { allocator } = new Growth(32_384);
  const [all] = allocator.allocate(allocator.freeBlocks, { purpose: 'data' }) as [BlockRun];
  const end = all.start + 1000;
  // All that is free lies in front of the end, and right behind a block that is not.
  allocator.free({ start: end - 20, length: 20 });
  allocator.free({ start: end + 1, length: 30 });
  allocator.settle(allocator.freeze());
  allocator.releaseLimbo(allocator.generation - 1);
  for (const lead of [0, 12]) {
    const window = { blocks: 8, lead, further: 8 };
    const runs = allocator.allocate(6, { purpose: 'data', hint: end, window });
    t.is(totalLength(runs), 6, `lead of ${lead}`);
  }
  allocator.verify();
});

test('a window has room for what its object has elsewhere, and others keep out of that', (t) => {
  const { allocator } = new Growth(32_384);
  const [first] = allocator.allocate(5, { purpose: 'data' }) as [BlockRun];
  allocator.allocate(1, { purpose: 'data' });
  const window = { blocks: 1019, lead: 5, further: 1024 };
  const [grown] = allocator.allocate(4, { purpose: 'data', hint: endOf(first), window }) as [
    BlockRun,
  ];
  const lead = { start: grown.start - 5, length: 5 };
  for (let i = 0; i < 20; i++) allocator.allocate(64, { purpose: 'data' });
  t.true(allocator.allocateAt(lead), 'it is free');
  t.false(allocator.allocateAt(lead), 'and then it is not');
  allocator.verify();
});

test('AppendWindows: an object owns the window that it ends in, or just behind', (t) => {
  const windows = new AppendWindows();
  const low = windows.open({ start: 100, length: 50 }, 7);
  const high = windows.open({ start: 150, length: 50 }, 8);
  t.is(windows.of(7), low, 'nothing is in it yet');
  t.is(windows.of(101), low);
  t.is(windows.of(150), low);
  t.is(windows.of(151), high);
  t.is(windows.of(201), undefined);
  t.is(windows.endOver(0, 100), 0);
  t.is(windows.endOver(0, 101), 200, 'windows that touch are passed by at once');
  t.is(windows.endOver(199, 1), 200);
  t.is(windows.endOver(200, 9), 0);
  t.is(windows.nextStart(0, 90), 90);
  t.is(windows.nextStart(0, 1000), 100);
  t.is(windows.nextStart(101, 1000), 150);
  windows.yieldTo({ start: 160, length: 1 });
  t.is(windows.of(151), undefined);
  t.is(windows.of(120), low);
});

test('AppendWindows: the one that was not used for longest is forgotten', (t) => {
  const windows = new AppendWindows();
  for (let i = 0; i < WINDOWS_MAX; i++) windows.open({ start: 100 + i * 10, length: 5 }, i);
  t.not(windows.of(0), undefined);
  windows.open({ start: 10, length: 5 }, WINDOWS_MAX);
  t.is(windows.count, WINDOWS_MAX);
  t.not(windows.of(0), undefined);
  t.is(windows.of(1), undefined);
});
