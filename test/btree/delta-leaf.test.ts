import test from 'ava';
import { Tree } from '../../src/btree/tree.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { ROLE } from '../../src/format/role.js';
import { Prng } from '../support/prng.js';
import { type Bed, makeBed } from './fixture.js';

const SPEC = treeSpec({ role: ROLE.map });
const SEED = Number(process.env['SEED'] ?? 5);
const BLOCK = 1024;
const NODE = 4096;
const COUNT = 12_000;

const keyOf = (i: number): Buffer => Buffer.from(`key ${String(i).padStart(6, '0')}`);

interface Filled {
  readonly bed: Bed;
  readonly tree: Tree;
  readonly model: Map<string, string>;
}

/** A tree on the device, about 120 leaves that are not full, none of them in memory. */
function filled(): Filled {
  const bed = makeBed(BLOCK, NODE);
  const tree = new Tree(bed.forest, SPEC);
  const model = new Map<string, string>();
  const random = new Prng(SEED);
  for (let i = 0; i < COUNT; i++) {
    const number = (i * 3779) % COUNT; // each once, here and there: leaves have room
    put({ bed, tree, model }, keyOf(2 * number), `value ${random.below(1e9)}`);
  }
  chill(bed);
  return { bed, tree, model };
}

function put({ tree, model }: Filled, key: Buffer, value: string): void {
  tree.set(key, Buffer.from(value));
  model.set(key.toString(), value);
}

/** Checkpoints and empties the cache. */
function chill(bed: Bed): void {
  bed.checkpoint();
  bed.forest.cacheBytes = 0;
  bed.forest.trim();
}

/** All of it, by searches and by a walk. */
function differences({ tree, model }: Filled): string[] {
  const found: string[] = [];
  for (const [key, value] of model) {
    const there = tree.get(Buffer.from(key));
    if (there === undefined || Buffer.from(there).toString() !== value) found.push(key);
  }
  const cursor = tree.cursor();
  let count = 0;
  for (cursor.seekFirst(); cursor.valid; cursor.next(), count++) {
    const key = Buffer.from(cursor.key()).toString();
    if (model.get(key) !== Buffer.from(cursor.value()).toString()) found.push(`walk ${key}`);
  }
  if (count !== model.size || tree.count() !== count) found.push(`${count} records`);
  tree.verify();
  return found;
}

test('what is put here and there into a large tree is in memory, and not the leaves', (t) => {
  const it = filled();
  const { forest } = it.bed;
  for (let i = 0; i < COUNT; i += 120) put(it, keyOf(2 * i + 1), `new ${i}`);
  const placed = forest.dirtyBlocks * BLOCK;
  t.true(placed > 80 * NODE, `${placed} bytes to place`);
  t.true(forest.dirtyBytes < placed / 3, `${forest.dirtyBytes} of ${placed} bytes in memory`);
  t.deepEqual(differences(it), []);
  forest.trim();
  t.is(forest.cachedBytes, 0, 'pages that were only looked at are given up');
  chill(it.bed);
  t.is(forest.packingBytes, 0);
  t.deepEqual(differences(it), []);
});

test('a second put into a leaf reads nothing', (t) => {
  const it = filled();
  const { forest, device } = it.bed;
  put(it, keyOf(1001), 'one');
  forest.trim();
  const { reads } = device;
  put(it, keyOf(1003), 'two');
  put(it, keyOf(1001), 'another one');
  t.is(device.reads, reads);
  t.is(Buffer.from(it.tree.get(keyOf(1003)) ?? []).toString(), 'two');
  t.is(device.reads, reads, 'nor does a search for what was put');
  t.deepEqual(differences(it), []);
});

test('a rollback gives a delta leaf its deltas back, whatever became of it', (t) => {
  const it = filled();
  const { forest, oracle } = it.bed;
  const behind: readonly (() => void)[] = [
    () => it.tree.set(keyOf(2001), Buffer.from('other')),
    () => it.tree.get(keyOf(2002)),
    () => void it.tree.count(),
    () => it.tree.delete(keyOf(2001)),
    () => {
      for (let i = 0; i < 40; i++) it.tree.set(keyOf(2000 + i), Buffer.alloc(200, i));
    },
    () => it.tree.deleteRange(keyOf(1990), keyOf(2400), () => undefined),
  ];
  for (const [i, change] of behind.entries()) {
    for (const hasDeltas of [true, false]) {
      if (hasDeltas) put(it, keyOf(2001), `kept ${i}`);
      const { dirtyBytes, dirtyBlocks } = forest;
      forest.begin();
      oracle.begin();
      it.tree.set(keyOf(2003), Buffer.from('gone'));
      change();
      forest.rollback();
      oracle.rollback();
      t.deepEqual([forest.dirtyBytes, forest.dirtyBlocks], [dirtyBytes, dirtyBlocks]);
      t.deepEqual(differences(it), []);
      chill(it.bed);
    }
  }
});

test('a leaf that a checkpoint is writing may lie below new deltas', (t) => {
  const it = filled();
  for (const sealed of [0, 60, 1000]) {
    for (let i = 0; i < COUNT; i += 40) put(it, keyOf(2 * i + 1), `first ${sealed}`);
    const checkpoint = it.bed.startCheckpoint();
    checkpoint.seal(sealed);
    for (let i = 0; i < COUNT; i += 50) put(it, keyOf(2 * i + 1), `second ${sealed}`);
    t.deepEqual(differences(it), []);
    it.bed.forest.trim();
    for (let i = 0; i < COUNT; i += 50) put(it, keyOf(2 * i + 1), `third ${sealed}`);
    checkpoint.finish();
    it.bed.forest.trim();
    t.deepEqual(differences(it), []);
    chill(it.bed);
    t.deepEqual(differences(it), []);
  }
});

test('more records than fit, larger ones and smaller ones, make an ordinary leaf of it', (t) => {
  const it = filled();
  const values = [0, 400, 3, 1500, 10];
  for (const [at, length] of values.entries()) {
    for (let i = 0; i < 60; i++) put(it, keyOf(3000 + 2 * i), `${'x'.repeat(length)} ${at} ${i}`);
    t.deepEqual(differences(it), []);
  }
  for (let i = 0; i < 3000; i++) put(it, keyOf(5000 + (i % 700)), `many ${i}`);
  t.deepEqual(differences(it), []);
  chill(it.bed);
  t.deepEqual(differences(it), []);
});

test('a leaf that is shared is copied, and counts what it refers to', (t) => {
  const it = filled();
  const { bed, tree, model } = it;
  const root = tree.encodeRoot(0).slice();
  bed.forest.retainReferences(root, 0, root.length, SPEC.role);
  bed.forest.raiseGeneration();
  const before = new Map(model);
  const clone = new Tree(bed.forest, SPEC, { bytes: root, at: 0, end: root.length });
  for (let i = 0; i < COUNT; i += 60) put(it, keyOf(2 * i + 1), `mine ${i}`);
  t.deepEqual(differences(it), []);
  t.deepEqual(differences({ bed, tree: clone, model: before }), []);
  bed.drop(SPEC.role, tree.encodeRoot(0));
  bed.drop(SPEC.role, clone.encodeRoot(0));
  t.deepEqual([...bed.oracle.counts.keys()], []);
});
