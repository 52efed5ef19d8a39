/**
 * Shrinks that are cut off: at any write the store opens as it was or as it shall be, holds all
 * that it held, and can be shrunk again.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { SUPERBLOCK_SIZE, type Superblock, superblockNumber } from '../../src/format/superblock.js';
import { Store } from '../../src/index.js';
import { readSuperblocks, slotOffsets } from '../../src/txn/superblock-slots.js';
import { BY_LENGTH } from '../fsck/fixture.js';
import { contentOf } from '../fsck/repair-fixture.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import type { SimulatedDevice } from '../support/simulated-device.js';
import { again, agedStore, crumbledStore, faultsOf, resize } from './fixture.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Crashes before the switch, which all leave the same. */
const EARLY = Number(process.env['OPS'] ?? 8);

/** Points of the log at its end that all are tried: from before the switch on. */
const LATE = 30;

const SIZE = 3.75 * MIB;

/** Opens and closes the store for writing: gives its limit. */
function limitOf(device: SimulatedDevice): number {
  const store = Store.openOnSync(device, { comparators: [BY_LENGTH] });
  const { total } = store.statfsSync();
  store.closeSync();
  return total;
}

/** The limit that the newest superblock states when both near slots are lost. */
function limitWithoutNearSlots(device: SimulatedDevice): number {
  const lost = again(device);
  for (const offset of [0, 64 * KIB]) lost.writeSync(offset, [new Uint8Array(4096)]);
  const { newest } = runSync(readSuperblocks(lost));
  return newest.deviceBlocksMax * newest.blockSize;
}

/** Numbers of superblocks that stand in the far slots of `places`. */
function numbersAt(device: SimulatedDevice, places: Superblock): number[] {
  return [0, 1].flatMap((parity) => {
    const bytes = new Uint8Array(SUPERBLOCK_SIZE);
    device.readSync(slotOffsets(places, parity)[1], bytes);
    return superblockNumber(bytes) ?? [];
  });
}

test('shrink() can be cut off at any write and run again', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = again(agedStore({ bytes: 6 * MIB, blockSize: KIB, nodeSize: KIB, rounds: 8 }));
  const content = contentOf(device);
  const before = limitOf(again(device));
  const places = runSync(readSuperblocks(again(device))).newest;
  const start = device.point;
  resize(device, SIZE);
  const points = [...device.crashPoints(start)];
  const early = Array.from({ length: EARLY }, () => prng.pick(points.slice(0, -LATE)));
  const limits = new Set<number>();
  for (const point of [...early, ...points.slice(-LATE)]) {
    const crashed = device.randomCrash(prng, point).device;
    const limit = limitOf(crashed);
    limits.add(limit);
    const opened = again(crashed);
    if (limit === SIZE) t.deepEqual(numbersAt(opened, places), [], `old slots after ${point}`);
    t.is(limitWithoutNearSlots(opened), limit, `the far slots after a crash at ${point}`);
    t.deepEqual(contentOf(opened), content, `crash at ${point}`);
    t.deepEqual(faultsOf(opened), [], `crash at ${point}`);
    resize(opened, SIZE);
    t.deepEqual(contentOf(opened), content, `run again after a crash at ${point}`);
    t.deepEqual(faultsOf(opened), [], `run again after a crash at ${point}`);
  }
  t.deepEqual([...limits].sort(), [before, SIZE].sort());
});

/** Points that are tried behind the first one at which extents are cut. */
const POINTS_BEHIND_CUT = 8;

/** Entries of the object that has to be cut. */
function entriesOf(device: SimulatedDevice): number {
  const store = Store.openOnSync(again(device));
  const { length } = [...store.collection('c').object('large').extentsSync()];
  store.closeSync();
  return length;
}

test('shrink() can be cut off at any write while it cuts extents, and run again', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const options = { bytes: 10 * MIB, journalBytes: 256 * KIB, small: 48, large: MIB };
  const { device, large } = crumbledStore(options);
  const [content, before, entries] = [contentOf(device), limitOf(again(device)), entriesOf(device)];
  const size = large - (large % (256 * KIB));
  const start = device.point;
  resize(device, size);
  let [uncut, cut] = [0, 0];
  for (const point of device.crashPoints(start)) {
    const crashed = device.randomCrash(prng, point).device;
    if (entriesOf(crashed) === entries) uncut++;
    else if (++cut > POINTS_BEHIND_CUT) break;
    t.is(limitOf(crashed), before, `crash at ${point}`);
    const opened = again(crashed);
    t.deepEqual(contentOf(opened), content, `crash at ${point}`);
    t.deepEqual(faultsOf(opened), [], `crash at ${point}`);
    resize(opened, size);
    t.deepEqual(contentOf(opened), content, `run again after a crash at ${point}`);
    t.deepEqual(faultsOf(opened), [], `run again after a crash at ${point}`);
  }
  t.log(`${uncut} points before the cut, ${cut} behind it`);
  t.true(uncut > 5 && cut > POINTS_BEHIND_CUT);
});
