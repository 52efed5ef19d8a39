import test from 'ava';
import {
  BYTES,
  type Comparator,
  ComparatorRegistry,
  REVERSE,
  U64,
} from '../../src/btree/comparator.js';
import { diff, TreeDiff } from '../../src/btree/diff.js';
import { DuplicateTree } from '../../src/btree/duplicate-tree.js';
import { KEY_SIZE_MAX, VALUE_SIZE_MAX } from '../../src/btree/node-format.js';
import { isMiss } from '../../src/btree/node-loader.js';
import { rootSpec } from '../../src/btree/root-record.js';
import { startSoleRoot } from '../../src/btree/small-leaf.js';
import { Tree } from '../../src/btree/tree.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { compareBytes, EMPTY, setU64BigEndian } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { Prng } from '../support/prng.js';
import { type Bed, makeBed } from './fixture.js';

const SPEC = treeSpec({ role: ROLE.map });
const SEED = Number(process.env['SEED'] ?? 3);

function keyOf(i: number): Uint8Array {
  return Buffer.from(`key ${String(i).padStart(6, '0')}`);
}

function filled(bed: Bed, count: number): Tree {
  const tree = new Tree(bed.forest, SPEC);
  for (let i = 0; i < count; i++) tree.put(keyOf(i), Buffer.from(`value ${i}`));
  return tree;
}

/** All keys and values, in order. */
function contentOf(tree: Tree): string[] {
  const content: string[] = [];
  const cursor = tree.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    content.push(`${Buffer.from(cursor.key())} ${Buffer.from(cursor.value()).toString('hex')}`);
  }
  return content;
}

/** Checkpoints and empties the cache. */
function chill(bed: Bed): void {
  bed.checkpoint();
  bed.forest.cacheBytes = 0;
  bed.forest.trim();
}

test('startSoleRoot() begins the record that putting into an empty tree gives', (t) => {
  const bed = makeBed(4096, 8192);
  const fixed = treeSpec({ role: ROLE.blob, keySize: 8 });
  for (const spec of [SPEC, fixed, treeSpec({ role: ROLE.map, keySize: 8, valueSize: 200 })]) {
    for (const length of spec.valueSize < 0 ? [0, 1, 127, 128, 900] : [200]) {
      const key = Buffer.from('key of 8');
      const value = Buffer.alloc(length, 7);
      const record = startSoleRoot(spec, key, length);
      record.set(value, record.length - length);
      const tree = new Tree(bed.forest, spec);
      tree.put(key, value);
      t.deepEqual(Buffer.from(record), Buffer.from(tree.encodeRoot(2048)));
    }
  }
});

test('put() in order fills nodes by nine tenths and more, upwards and downwards', (t) => {
  for (const step of [1, -1]) {
    const bed = makeBed(4096, 8192);
    const tree = new Tree(bed.forest, SPEC);
    for (let i = 0; i < 20000; i++) tree.put(keyOf(step > 0 ? i : 30000 - i), Buffer.alloc(50));
    t.true(tree.verify().fill > 0.9);
  }
});

test('put() in order at many places, and of numbers as they are counted, leaves few holes', (t) => {
  const names = {
    '20 rising in turn': (i: number) => `${i % 20} ${String(i).padStart(6, '0')}`,
    counted: (i: number) => `object ${i}`,
  };
  const least = { '20 rising in turn': 0.8, counted: 0.55 };
  for (const [name, nameOf] of Object.entries(names)) {
    const tree = new Tree(makeBed(4096, 8192).forest, SPEC);
    for (let i = 0; i < 20000; i++) tree.put(Buffer.from(nameOf(i)), Buffer.alloc(50));
    const { fill } = tree.verify();
    t.log(name, fill);
    t.true(fill > least[name as keyof typeof least], `${name}: ${fill}`);
  }
});

test('bulkBuild() makes the tree that puts make: full nodes, and it can be edited afterwards', (t) => {
  const prng = new Prng(SEED);
  const bed = makeBed(1024, 4096);
  const specs = [
    SPEC,
    treeSpec({ role: ROLE.references, comparator: U64, keySize: 8, valueSize: 16 }),
  ];
  for (const spec of specs) {
    for (const count of [0, 1, 3, 40, 5000]) {
      const entries = Array.from({ length: count }, (_, i): [Uint8Array, Uint8Array] => {
        const key = spec === SPEC ? keyOf(i) : new Uint8Array(8);
        if (spec !== SPEC) setU64BigEndian(key, 0, 3 * i);
        const length = spec.valueSize >= 0 ? spec.valueSize : prng.below(i % 50 === 0 ? 5000 : 90);
        return [key, new Uint8Array(length).fill(i)];
      });
      const tree = new Tree(bed.forest, spec);
      tree.bulkBuild(entries);
      t.is(tree.count(), count, `SEED=${SEED}`);
      if (count === 0) continue;
      const report = tree.verify();
      if (count === 5000 && spec !== SPEC) t.true(report.fill > 0.95, String(report.fill));
      chill(bed);
      for (const [key, value] of entries) t.deepEqual(tree.get(key), value, `SEED=${SEED}`);
      for (const [key] of entries) if (prng.below(3) > 0) tree.delete(key);
      tree.verify();
    }
  }
});

test('bulkBuild() refuses keys that do not rise and a tree that has records', (t) => {
  const bed = makeBed(1024, 4096);
  const one: [Uint8Array, Uint8Array] = [keyOf(1), EMPTY];
  t.throws(() => new Tree(bed.forest, SPEC).bulkBuild([one, one]), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => filled(bed, 1).bulkBuild([one]), { code: 'E_INVALID' });
  const tree = new Tree(
    bed.forest,
    treeSpec({ role: ROLE.references, comparator: U64, keySize: 8 }),
  );
  t.throws(() => tree.bulkBuild([one]), { code: 'E_INVALID_ARGUMENT' });
  t.true(tree.isEmpty());
});

test('put() takes the largest keys and values in the smallest nodes, and refuses larger ones', (t) => {
  const bed = makeBed(512, 512);
  const tree = new Tree(bed.forest, SPEC);
  for (let i = 0; i < 60; i++) {
    const key = new Uint8Array(KEY_SIZE_MAX).fill(i);
    tree.put(key, new Uint8Array(VALUE_SIZE_MAX - i).fill(i));
    tree.put(keyOf(i), EMPTY);
    tree.verify();
  }
  chill(bed);
  t.is(tree.count(), 120);
  t.is(tree.get(new Uint8Array(KEY_SIZE_MAX).fill(9))?.length, VALUE_SIZE_MAX - 9);
  t.throws(() => tree.put(new Uint8Array(KEY_SIZE_MAX + 1), EMPTY), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => tree.put(EMPTY, new Uint8Array(VALUE_SIZE_MAX + 1)), {
    code: 'E_INVALID_ARGUMENT',
  });
  for (let i = 59; i >= 0; i--) {
    t.true(tree.delete(new Uint8Array(KEY_SIZE_MAX).fill(i)));
    tree.verify();
  }
  for (let i = 0; i < 60; i++) t.true(tree.delete(keyOf(i)));
  t.true(tree.isEmpty());
});

const numeric: Comparator = {
  name: 'test.numeric',
  version: 3,
  compare(a, aStart, aEnd, b, bStart, bEnd) {
    const left = Number(Buffer.from(a.subarray(aStart, aEnd)).toString());
    return left - Number(Buffer.from(b.subarray(bStart, bEnd)).toString());
  },
};

for (const comparator of [BYTES, REVERSE, numeric]) {
  test(`a cursor follows the order of comparator ${comparator.name}`, (t) => {
    const random = new Prng(SEED);
    const bed = makeBed(512, 512);
    const spec = treeSpec({ role: ROLE.map, comparator });
    let tree = new Tree(bed.forest, spec);
    const keys = new Map<string, Uint8Array>();
    for (let i = 0; i < 3000; i++) {
      const key = Buffer.from(String(random.below(2000)));
      if (random.chance(0.7)) {
        tree.put(key, key);
        keys.set(key.toString(), key);
      } else t.is(tree.delete(key), keys.delete(key.toString()));
    }
    const sorted = [...keys.values()].sort((a, b) =>
      comparator.compare(a, 0, a.length, b, 0, b.length),
    );
    const root = tree.encodeRoot(0);
    tree = new Tree(bed.forest, spec, { bytes: root, at: 0, end: root.length });
    const cursor = tree.cursor();
    let at = 0;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      t.deepEqual(Buffer.from(cursor.key()), sorted[at++] as Buffer);
    }
    t.is(at, sorted.length);
    tree.verify();
  });
}

test('a comparator that is unknown or of another version is named, and the tree stays closed', (t) => {
  const bed = makeBed(512, 512);
  const spec = treeSpec({ role: ROLE.map, comparator: numeric });
  const tree = new Tree(bed.forest, spec);
  tree.put(Buffer.from('1'), EMPTY);
  const root = tree.encodeRoot(300);
  const record = { bytes: root, at: 0, end: root.length };
  const registry = new ComparatorRegistry();
  const read = () => rootSpec(root, 0, root.length, ROLE.map, 0, registry);
  t.throws(read, { code: 'E_COMPARATOR', message: /test\.numeric/ });
  registry.register(numeric);
  t.is(read().comparator, numeric);
  const newer = treeSpec({ role: ROLE.map, comparator: { ...numeric, version: 4 } });
  t.throws(() => new Tree(bed.forest, newer, record), { code: 'E_COMPARATOR' });
  t.throws(() => registry.register({ ...numeric }), { code: 'E_INVALID_ARGUMENT' });
});

test('a tree of u64 keys and fixed values stores no lengths', (t) => {
  const bed = makeBed(4096, 8192);
  const tree = new Tree(bed.forest, treeSpec({ role: ROLE.map, comparator: U64, valueSize: 8 }));
  const key = new Uint8Array(8);
  for (let i = 0; i < 400; i++) {
    setU64BigEndian(key, 0, i * 3);
    tree.put(key, key);
  }
  t.is(tree.height(), 1);
  setU64BigEndian(key, 0, 300);
  t.deepEqual(tree.get(key), key);
  t.throws(() => tree.put(new Uint8Array(7), key), { code: 'E_INVALID_ARGUMENT' });
  t.throws(() => tree.put(key, new Uint8Array(9)), { code: 'E_INVALID_ARGUMENT' });
});

test('a cursor stays right while the tree changes under it', (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 2000);
  const cursor = tree.cursor();
  const seen: string[] = [];
  for (let more = cursor.seekFirst(); more; more = cursor.next()) {
    const key = Buffer.from(cursor.key()).toString();
    seen.push(key);
    const number = Number(key.slice(4));
    if (number % 3 === 0) tree.delete(cursor.key());
    if (number % 5 === 0) tree.put(Buffer.from(`${key}x`), EMPTY);
    if (number % 500 === 0) chill(bed);
  }
  const unique = seen.filter((key) => !key.endsWith('x'));
  t.is(unique.length, 2000);
  t.deepEqual(unique, [...unique].sort());
});

test('run() reads what is missing and repeats, sharing reads between concurrent runs', async (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 3000);
  chill(bed);
  const runs = Array.from({ length: 8 }, (_, i) => bed.forest.run(() => tree.get(keyOf(i % 2))));
  const values = await Promise.all(runs);
  t.is(Buffer.from(values[1] as Uint8Array).toString(), 'value 1');
  t.true(bed.device.reads <= tree.height() + 1);
  const cursor = tree.cursor();
  let count = 0;
  for (
    let more = await bed.forest.run(() => cursor.seekFirst());
    more;
    more = await bed.forest.run(() => cursor.next())
  ) {
    count++;
    bed.forest.trim();
  }
  t.is(count, 3000);
});

test('run() lets a function handle a block that cannot be read', async (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 300);
  chill(bed);
  for (const [address, page] of bed.device.pages) {
    bed.device.pages.set(
      address,
      page.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
    );
  }
  const caught = await bed.forest.run(() => {
    try {
      return tree.get(keyOf(1));
    } catch (error) {
      if (isMiss(error)) throw error;
      return error;
    }
  });
  t.is((caught as { code: string }).code, 'E_CORRUPT');
  await t.throwsAsync(
    bed.forest.run(() => tree.get(keyOf(1))),
    { code: 'E_CORRUPT' },
  );
});

test('what a run gathers is read together, also when a block of it cannot be read', async (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 1000);
  const keys = Array.from({ length: 1000 }, (_, i) => keyOf(i));
  let attempts = 0;
  const countAll = () => {
    attempts++;
    bed.forest.gather(keys, (key) => tree.find(key));
    return keys.filter((key) => tree.has(key)).length;
  };
  chill(bed);
  const before = bed.device.reads;
  t.is(await bed.forest.run(countAll), 1000);
  const nodes = bed.device.reads - before;
  t.true(nodes > 30 && nodes <= bed.device.pages.size);
  // One node first, then a level for each attempt, then the attempt that lacks nothing.
  t.true(attempts <= tree.height() + 1, `${attempts} attempts for ${nodes} nodes`);

  chill(bed);
  const leaf = [...bed.device.pages].find(([, page]) => page[BLOCK_HEADER.level] === 0);
  const [address, page] = leaf as [number, Uint8Array];
  bed.device.pages.set(
    address,
    page.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
  );
  attempts = 0;
  await t.throwsAsync(bed.forest.run(countAll), { code: 'E_CORRUPT' });
  t.true(attempts <= tree.height() + 1, `${attempts} attempts`);
});

test('gather() does nothing where nodes are read at once', (t) => {
  const bed = makeBed(512, 512);
  filled(bed, 100);
  chill(bed);
  bed.forest.gather([1], () => t.fail());
  bed.forest.sync(() => bed.forest.gather([1], () => t.fail()));
  bed.forest.attempt(() => bed.forest.gather([1], () => t.fail()), undefined);
  t.pass();
});

test('a rollback gives leaves back whose slots it kept, whatever came behind', (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 400);
  const before = contentOf(tree);
  // First what leaves the heap alone, then what packs, overwrites, splits or merges the same leaf.
  const behind: readonly ((key: Uint8Array) => void)[] = [
    (key) => tree.put(key, Buffer.from('another')),
    (key) => tree.put(key, Buffer.alloc(300, 1)),
    (key) => tree.delete(key),
    (key) => tree.deleteRange(key, keyOf(250), () => undefined),
    (key) => {
      for (let i = 0; i < 30; i++) tree.put(key, Buffer.alloc(20 + (i % 3), i));
    },
    (key) => {
      for (let i = 0; i < 40; i++) tree.put(Buffer.concat([key, Buffer.from([i])]), EMPTY);
    },
  ];
  for (const change of behind) {
    bed.forest.begin();
    bed.oracle.begin();
    tree.put(Buffer.from('key 000200 new'), Buffer.from('light'));
    tree.delete(keyOf(201));
    change(keyOf(200));
    bed.forest.rollback();
    bed.oracle.rollback();
    t.deepEqual(contentOf(tree), before);
    tree.verify();
  }
});

test('a writing run is rolled back at each miss and ends with the same tree', async (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 2000);
  chill(bed);
  await bed.forest.run(() => {
    bed.forest.begin();
    bed.oracle.begin();
    try {
      for (let i = 0; i < 2000; i += 37) tree.put(keyOf(i), Buffer.from('changed'));
      for (let i = 1; i < 2000; i += 37) tree.delete(keyOf(i));
      bed.forest.release();
    } catch (error) {
      bed.forest.rollback();
      bed.oracle.rollback();
      throw error;
    }
  });
  t.is(tree.verify().records, 2000 - Math.ceil(1999 / 37));
  t.is(Buffer.from(tree.get(keyOf(37)) as Uint8Array).toString(), 'changed');
});

test('diff() gives each changed key and reads nothing that is shared', (t) => {
  const bed = makeBed(512, 512);
  const tree = filled(bed, 5000);
  const root = tree.encodeRoot(0).slice();
  bed.checkpoint();
  bed.forest.resolveReferences(root, 0, root.length, SPEC.role);
  bed.forest.retainReferences(root, 0, root.length, SPEC.role);
  const before = new Tree(bed.forest, SPEC, { bytes: root, at: 0, end: root.length });
  const changes = new Map<string, string | undefined>();
  for (let i = 10; i < 5000; i += 1000) {
    tree.put(keyOf(i), Buffer.from('new value'));
    changes.set(Buffer.from(keyOf(i)).toString(), 'new value');
    tree.delete(keyOf(i + 1));
    changes.set(Buffer.from(keyOf(i + 1)).toString(), undefined);
  }
  tree.put(Buffer.from('zzz'), EMPTY);
  changes.set('zzz', '');
  chill(bed);
  bed.device.reads = 0;
  const found = [...diff(before, tree)];
  t.deepEqual(
    found.map(({ key, right }) => [
      Buffer.from(key).toString(),
      right === undefined ? undefined : Buffer.from(right).toString(),
    ]),
    [...changes.entries()].sort(([a], [b]) => compareBytes(Buffer.from(a), Buffer.from(b))),
  );
  t.true(bed.device.reads < 80);
  t.deepEqual([...diff(tree, tree)], []);
  t.is(new TreeDiff(before, before).next(), undefined);
});

test('diff() agrees with a comparison of all records, whatever was cut and joined', (t) => {
  const random = new Prng(SEED);
  for (let round = 0; round < 20; round++) {
    const bed = makeBed(512, 512);
    const tree = filled(bed, 600);
    const root = tree.encodeRoot(0).slice();
    bed.forest.retainReferences(root, 0, root.length, SPEC.role);
    bed.forest.raiseGeneration();
    const before = new Tree(bed.forest, SPEC, { bytes: root, at: 0, end: root.length });
    const from = random.below(600);
    tree.deleteRange(keyOf(from), keyOf(from + random.below(200)), (role, middle) =>
      bed.drop(role, middle),
    );
    for (let i = 0; i < 20; i++) tree.put(keyOf(random.below(900)), Buffer.from([i]));
    const expected = new Set<string>();
    const all = (one: Tree): Map<string, string> => {
      const records = new Map<string, string>();
      const cursor = one.cursor();
      for (let more = cursor.seekFirst(); more; more = cursor.next()) {
        records.set(Buffer.from(cursor.key()).toString(), Buffer.from(cursor.value()).toString());
      }
      return records;
    };
    const left = all(before);
    const right = all(tree);
    for (const [key, value] of left) if (right.get(key) !== value) expected.add(key);
    for (const key of right.keys()) if (!left.has(key)) expected.add(key);
    t.deepEqual(
      [...diff(before, tree)].map(({ key }) => Buffer.from(key).toString()),
      [...expected].sort(),
    );
  }
});

test('DuplicateTree keeps pairs in order of key and value', (t) => {
  const bed = makeBed(512, 512);
  const spec = treeSpec({ role: ROLE.map, duplicates: true });
  const tree = new DuplicateTree(bed.forest, spec);
  for (let i = 0; i < 500; i++) {
    t.true(tree.add(Buffer.from(`k${i % 10}`), Buffer.from(String(i).padStart(4, '0'))));
  }
  t.false(tree.add(Buffer.from('k1'), Buffer.from('0001')));
  t.is(tree.count(), 500);
  const values = [...tree.values(Buffer.from('k3'))].map((one) => Buffer.from(one).toString());
  t.is(values.length, 50);
  t.deepEqual(values, [...values].sort());
  t.true(tree.delete(Buffer.from('k3'), Buffer.from('0003')));
  t.false(tree.has(Buffer.from('k3'), Buffer.from('0003')));
  tree.deleteAll(Buffer.from('k4'), (role, root) => bed.drop(role, root));
  t.is(tree.count(), 449);
  t.deepEqual([...tree.values(Buffer.from('k4'))], []);
  tree.tree.verify();
});

test('join() refuses trees whose keys interleave', (t) => {
  const bed = makeBed(512, 512);
  const low = filled(bed, 100);
  const high = filled(bed, 50);
  t.throws(() => low.join(high), { code: 'E_INVALID' });
  t.is(low.count(), 100);
});
