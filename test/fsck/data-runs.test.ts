/** Gathering data that is to be verified: its order, and reading it while more is gathered. */

import test from 'ava';
import { runAsync, runSync } from '../../src/blockdev/io.js';
import { MemoryDevice } from '../../src/blockdev/memory-device.js';
import { writeHash } from '../../src/format/checksum.js';
import { DataCheck } from '../../src/fsck/data-check.js';
import { DataRuns } from '../../src/fsck/data-runs.js';
import { DeviceMap } from '../../src/fsck/device-map.js';
import { type Finding, Findings } from '../../src/fsck/finding.js';
import { ENTRY_KIND, type ExtentEntry } from '../../src/onode/extent-entry.js';
import { readSuperblocks } from '../../src/txn/superblock-slots.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { newStore, SMALL } from './fixture.js';

const BLOCK = 512;

function extentAt(address: number, checksums = new Uint8Array(8)): ExtentEntry {
  const { extent: kind } = ENTRY_KIND;
  return { kind, birth: 1, length: BLOCK, shift: 9, skip: 0, blocks: 1, address, checksums };
}

test('sorted() gives runs by address, wherever a device may have them', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const runs = new DataRuns();
  const starts: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const address = prng.below(2 ** 30) * 2 ** prng.below(14);
    starts.push(address * BLOCK);
    runs.add(extentAt(address), BLOCK, 0, 0, 1, {});
  }
  const order = [...runs.sorted()];
  t.is(new Set(order).size, starts.length);
  t.deepEqual(
    order.map((index) => runs.at(index).start),
    starts.sort((a, b) => a - b),
  );
});

/** A device of blocks that are all different, and a check of it with little room. */
function checkOf(found: Finding[]) {
  const store = newStore({ ...SMALL, size: 4 * 1024 * 1024 });
  const { newest } = runSync(readSuperblocks(store));
  const device = new MemoryDevice({ size: store.size });
  const bytes = Buffer.alloc(1024);
  for (let at = 0; at < device.size; at += bytes.length) {
    bytes.writeUInt32LE(at);
    device.writeSync(at, [bytes]);
  }
  let verified = 0;
  const check = new DataCheck({
    device,
    map: new DeviceMap(device, newest),
    findings: new Findings((finding) => found.push(finding)),
    isShared: false,
    verified: (count) => {
      verified += count;
    },
    runsMax: 50,
  });
  return { check, verified: () => verified };
}

/** Adds one block each of some extents to a check, those of `damaged` with another checksum. */
function* addAll(check: DataCheck, order: readonly number[], damaged: ReadonlySet<number>) {
  for (const address of order) {
    const bytes = Buffer.alloc(1024);
    bytes.writeUInt32LE(1024 * address + (damaged.has(address) ? 1 : 0));
    const checksums = new Uint8Array(8);
    writeHash(checksums, 0, bytes, 0, bytes.length);
    const extent = { ...extentAt(address, checksums), length: 1024, shift: 10 };
    check.add(extent, 0, { object: `o${address}` }, { isNew: () => true });
    if (check.isDue) yield* check.read();
  }
}

for (const [edge, run] of Object.entries({ runSync, runAsync })) {
  test(`a full table of runs is read while the next one is filled: ${edge}()`, async (t) => {
    const prng = new Prng(seedFromEnvironment());
    t.log('SEED', prng.seed);
    const found: Finding[] = [];
    const { check, verified } = checkOf(found);
    const order = prng.shuffle(Array.from({ length: 500 }, (_, i) => 3 * i));
    const damaged = new Set(order.slice(0, 20));
    await run(addAll(check, order, damaged));
    t.true(verified() <= 450 * 1024, 'the last table is not waited for');
    await run(check.flush());
    t.is(verified(), order.length * 1024);
    t.deepEqual(
      found.map(({ object }) => object).sort(),
      [...damaged].map((address) => `o${address}`).sort(),
    );
  });
}

test('each chunk of a run is told apart: unreadable, damaged, sound', (t) => {
  const superblock = runSync(readSuperblocks(newStore({ ...SMALL, size: 4 * 1024 * 1024 }))).newest;
  const device = new SimulatedDevice({ size: 4 * 1024 * 1024 });
  const bytes = new Prng(1).bytes(8 * 1024);
  const start = 1000 * superblock.blockSize;
  device.writeSync(start, [bytes]);
  const checksums = new Uint8Array(8 * 8);
  for (let i = 0; i < 8; i++) writeHash(checksums, 8 * i, bytes, 1024 * i, 1024 * (i + 1));
  checksums[8 * 6] = ~(checksums[8 * 6] as number);
  for (const i of [2, 5]) device.faults.makeUnreadable(start + 1024 * i, 1024);
  const found: Finding[] = [];
  let verified = 0;
  const check = new DataCheck({
    device,
    map: new DeviceMap(device, superblock),
    findings: new Findings((finding) => found.push(finding)),
    isShared: false,
    verified: (count) => {
      verified += count;
    },
  });
  const length = bytes.length;
  const blocks = length / superblock.blockSize;
  const extent = { ...extentAt(1000, checksums), length, shift: 10, blocks };
  check.add(extent, 0, { object: 'o' }, { isNew: () => true });
  runSync(check.flush());
  t.deepEqual(
    found.map(({ code, objectOffset, objectLength }) => [code, objectOffset, objectLength]),
    [
      ['unreadable', 2 * 1024, 1024],
      ['unreadable', 5 * 1024, 1024],
      ['data-damaged', 6 * 1024, 1024],
    ],
  );
  t.is(verified, 6 * 1024);
});
