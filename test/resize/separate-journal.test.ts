/**
 * A store whose journal has a device of its own changes its size: each superblock is announced
 * there, so that the two belong together after a crash at any moment.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { mkfsOn, Store } from '../../src/index.js';
import { resizeOn } from '../../src/resize/resize.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedPair } from '../support/simulated-pair.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const SIZE = 4 * MIB;

/** Crashes that are tried. */
const CRASHES = Number(process.env['OPS'] ?? 60);

/** A store of 8 MiB, with data at both ends of it, and something in its journal. */
function filledPair(): SimulatedPair {
  const pair = new SimulatedPair({ sizes: { data: 8 * MIB, journal: MIB } });
  mkfsOn(pair.data, { journalDevice: pair.journal, blockSize: KIB, nodeSize: KIB });
  const store = Store.openOnSync(pair.data, { journalDevice: pair.journal });
  store.commitSync(store.transaction().createCollection('c').createCollection('filler'));
  for (let i = 0; i < 40; i++) {
    const tx = store.transaction().write('filler', `f${i}`, 0, Buffer.alloc(100 * KIB, 1));
    store.commitSync(tx.write('c', `o${i}`, 0, Buffer.alloc(5000, i)));
  }
  store.commitSync(store.transaction().dropCollection('filler'));
  store.closeSync();
  return new SimulatedPair({ images: pair.images() });
}

function resize({ data, journal }: SimulatedPair, size: number): number {
  return runSync(resizeOn(data, size, {}, journal)).movedBytes;
}

/** Checks both devices, opens the store, and reads everything: gives its limit. */
function limitOf(pair: SimulatedPair): number {
  const codes: string[] = [];
  runSync(
    fsck(pair.data, {
      deep: true,
      journalDevice: pair.journal,
      comparators: new ComparatorRegistry(),
      onFinding: ({ code, severity }) => {
        if (severity === 'error') codes.push(code);
      },
    }),
  );
  const store = Store.openOnSync(pair.data, { journalDevice: pair.journal });
  for (let i = 0; i < 40; i++) {
    const bytes = store.collection('c').object(`o${i}`).readSync();
    if (Buffer.compare(bytes, Buffer.alloc(5000, i)) !== 0) codes.push(`o${i}`);
  }
  const { total } = store.statfsSync();
  store.commitSync(store.transaction().write('c', 'later', 0, Buffer.alloc(100)));
  store.closeSync();
  if (codes.length > 0) throw new Error(codes.join());
  return total;
}

test('resizeOn() shrinks a store with a journal of its own, and lets it grow again', (t) => {
  const pair = filledPair();
  t.true(resize(pair, SIZE) > 0);
  t.is(limitOf(new SimulatedPair({ images: pair.images() })), SIZE);
  const again = new SimulatedPair({ images: pair.images() });
  resize(again, 8 * MIB);
  t.is(limitOf(new SimulatedPair({ images: again.images() })), 8 * MIB);
});

test('resizeOn() is refused without the journal, and writes nothing', (t) => {
  const pair = filledPair();
  const other = filledPair();
  t.throws(() => runSync(resizeOn(pair.data, SIZE)), { code: 'E_NO_JOURNAL' });
  t.throws(() => runSync(resizeOn(pair.data, SIZE, {}, other.journal)), { code: 'E_NO_JOURNAL' });
  t.is(pair.point, 0);
  t.is(limitOf(pair), 8 * MIB);
});

test('a shrink that is cut off leaves store and journal together', (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const pair = filledPair();
  resize(pair, SIZE);
  const limits = new Set<number>();
  const late = [...pair.crashes(pair.point - 24)];
  for (let i = 0; i < CRASHES; i++) {
    const { point, ...images } = prng.pick(late);
    const crashed = new SimulatedPair({ images });
    limits.add(limitOf(crashed));
    const again = new SimulatedPair({ images: crashed.images() });
    resize(again, SIZE);
    t.is(limitOf(new SimulatedPair({ images: again.images() })), SIZE, `crash at ${point}`);
  }
  t.deepEqual([...limits].sort(), [SIZE, 8 * MIB].sort());
});
