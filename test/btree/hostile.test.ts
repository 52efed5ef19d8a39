import test from 'ava';
import type { Forest, ReferenceCounts } from '../../src/btree/forest.js';
import { NODE_BODY } from '../../src/btree/node-format.js';
import { decodeRoot, rootRecordSize, rootReferences } from '../../src/btree/root-record.js';
import { type RootRecord, Tree } from '../../src/btree/tree.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { CorruptError, StoreError } from '../../src/errors.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { setU16 } from '../../src/format/bytes.js';
import { writeHash } from '../../src/format/checksum.js';
import { POINTER, pointerAddress } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { Prng } from '../support/prng.js';
import { type Bed, makeBed, SCHEMAS } from './fixture.js';

const SEED = Number(process.env['SEED'] ?? 7);
const SPEC = treeSpec({ role: ROLE.map });

function keyOf(i: number): Uint8Array {
  return Buffer.from(`key ${String(i).padStart(5, '0')}`);
}

/** A checkpointed tree of `count` records; gives its external root record. */
function planted(bed: Bed, count: number): Uint8Array {
  const tree = new Tree(bed.forest, SPEC);
  for (let i = 0; i < count; i++) tree.put(keyOf(i), Buffer.alloc(i % 30, i));
  const root = tree.encodeRoot(0).slice();
  bed.checkpoint();
  bed.forest.resolveReferences(root, 0, root.length, SPEC.role);
  bed.forest.cacheBytes = 0;
  bed.forest.trim();
  return root;
}

function open(forest: Forest, bytes: Uint8Array): Tree {
  const record: RootRecord = { bytes, at: 0, end: bytes.length };
  return new Tree(forest, SPEC, record);
}

/** Counts that believe whatever a hostile pointer says. */
const CREDULOUS: ReferenceCounts = {
  isShared: () => false,
  retain: () => undefined,
  release: () => true,
};

/** Uses a tree in every way; only CorruptError may come out, and it must end. */
function abuse(forest: Forest, root: Uint8Array): unknown {
  forest.counts = CREDULOUS;
  forest.begin();
  try {
    const tree = open(forest, root.slice());
    tree.find(keyOf(3));
    const cursor = tree.cursor();
    let steps = 0;
    for (let more = cursor.seekFirst(); more && steps < 5000; more = cursor.next()) steps++;
    for (let more = cursor.seekLast(); more && steps < 10000; more = cursor.previous()) steps++;
    if (steps >= 10000) return new Error('the cursor does not end');
    tree.count();
    tree.storedBytes();
    tree.put(keyOf(5), Buffer.alloc(40));
    for (let i = 0; i < 20; i++) tree.delete(keyOf(i * 7));
    tree.verify();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    forest.rollback();
    forest.trim();
  }
}

test('a page changed at random behind a matching checksum never does worse than CorruptError', (t) => {
  const random = new Prng(SEED);
  t.log(`SEED=${SEED}`);
  const bed = makeBed(512, 512);
  const good = planted(bed, 200);
  t.is(abuse(bed.forest, good), undefined);
  const pointer = decodeRoot(good, 0, good.length).pointer;
  const address = pointerAddress(good, pointer);
  const page = bed.device.pages.get(address) as Uint8Array;
  let corrupt = 0;
  for (let round = 0; round < 3000; round++) {
    const bad = page.slice();
    const from = random.chance(0.5) ? BLOCK_HEADER.size : BLOCK_HEADER.size + NODE_BODY.size;
    for (let i = random.below(4); i >= 0; i--) {
      const to = random.chance(0.6) ? Math.min(from + 60, bad.length) : bad.length;
      bad[random.between(from, to)] = random.chance(0.3) ? 0xff : random.below(256);
    }
    writeHash(bad, 0, bad, BLOCK_HEADER.magic, bad.length);
    const root = good.slice();
    root.set(bad.subarray(0, 8), pointer + POINTER.checksum);
    bed.device.pages.set(address, bad);
    const error = abuse(bed.forest, root);
    if (error !== undefined) {
      corrupt++;
      if (!(error instanceof CorruptError)) {
        t.log(error);
        t.fail(`round ${round}: ${String(error)}`);
        return;
      }
    }
  }
  t.log(`${corrupt} of 3000 were refused`);
  t.true(corrupt > 500);
  bed.device.pages.set(address, page);
  t.is(abuse(bed.forest, good), undefined);
});

test('a leaf changed at random behind a matching checksum never does worse than CorruptError', (t) => {
  const random = new Prng(SEED + 1);
  t.log(`SEED=${SEED}`);
  const bed = makeBed(512, 1024);
  const good = planted(bed, 12);
  const pointer = decodeRoot(good, 0, good.length).pointer;
  const address = pointerAddress(good, pointer);
  const page = bed.device.pages.get(address) as Uint8Array;
  for (let round = 0; round < 3000; round++) {
    const bad = page.slice();
    for (let i = random.below(3); i >= 0; i--) {
      const to = random.chance(0.7) ? BLOCK_HEADER.size + 40 : bad.length;
      bad[random.between(BLOCK_HEADER.size, to)] = random.below(256);
    }
    writeHash(bad, 0, bad, BLOCK_HEADER.magic, bad.length);
    const root = good.slice();
    root.set(bad.subarray(0, 8), pointer + POINTER.checksum);
    bed.device.pages.set(address, bad);
    const error = abuse(bed.forest, root);
    if (error !== undefined && !(error instanceof CorruptError)) t.fail(String(error));
  }
  t.pass();
});

test('a root record changed or cut anywhere gives CorruptError or E_COMPARATOR', (t) => {
  const random = new Prng(SEED + 2);
  const bed = makeBed(512, 512);
  const tree = new Tree(bed.forest, SPEC);
  for (let i = 0; i < 8; i++) tree.put(keyOf(i), Buffer.alloc(5, i));
  const good = tree.encodeRoot(500).slice();
  for (let end = 0; end < good.length; end++) {
    t.throws(() => rootRecordSize(good, 0, end), { instanceOf: CorruptError });
  }
  for (let round = 0; round < 3000; round++) {
    const bad = good.slice();
    bad[random.below(bad.length)] = random.below(256);
    const error = abuse(bed.forest, bad);
    if (error !== undefined && !(error instanceof StoreError)) t.fail(String(error));
    try {
      rootReferences(bad, 0, bad.length, SPEC.role, SCHEMAS, {
        node: () => undefined,
        data: () => undefined,
      });
    } catch (reason) {
      t.true(reason instanceof CorruptError);
    }
  }
});

test('a damaged node costs its own key range only', (t) => {
  const bed = makeBed(512, 512);
  const root = planted(bed, 500);
  const tree = open(bed.forest, root);
  const pages = [...bed.device.pages.entries()];
  const [address, page] = pages.find(
    ([, one]) => one[BLOCK_HEADER.level] === 0 && one.length === 512,
  ) as [number, Uint8Array];
  const bad = page.slice();
  setU16(bad, 100, 0xdead);
  bed.device.pages.set(address, bad);
  let lost = 0;
  for (let i = 0; i < 500; i++) {
    try {
      t.true(tree.find(keyOf(i)));
    } catch (error) {
      t.true(error instanceof CorruptError);
      lost++;
    }
  }
  t.true(lost > 0 && lost < 40);
});
