import test from 'ava';
import { Tree } from '../../src/btree/tree.js';
import { treeSpec } from '../../src/btree/tree-spec.js';
import { compareBytes } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { Prng } from '../support/prng.js';
import { dataRecord, KIND, makeBed, type OpenCheckpoint } from './fixture.js';

const SEED = Number(process.env['SEED'] ?? 1);
const OPS = Number(process.env['OPS'] ?? 6000);

const SPEC = treeSpec({ role: ROLE.objects });
const INNER = treeSpec({ role: ROLE.map });

interface Twin {
  root: Uint8Array;
  model: Map<string, Buffer>;
}

interface Shape {
  readonly blockSize: number;
  readonly nodeSize: number;
  readonly keys: number;
  readonly large: boolean;
}

/** Random life of several trees that are clones of each other, against maps. */
function live(t: import('ava').ExecutionContext, shape: Shape, seed: number): void {
  const generator = new Prng(seed);
  const random = (below: number): number => generator.below(below);
  const bed = makeBed(shape.blockSize, shape.nodeSize);
  const { forest, oracle } = bed;
  let twins: Twin[] = [{ root: new Tree(forest, SPEC).encodeRoot(0), model: new Map() }];
  const open = (twin: Twin): Tree =>
    new Tree(forest, SPEC, { bytes: twin.root.slice(), at: 0, end: twin.root.length });
  const close = (twin: Twin, tree: Tree): void => {
    twin.root = tree.encodeRoot(random(4) === 0 ? 0 : random(600)).slice();
  };
  const key = (): Buffer => {
    const name = `${'prefix/'.repeat(random(3))}${random(shape.keys).toString(36)}`;
    return Buffer.from(shape.large && random(20) === 0 ? name + 'x'.repeat(random(300)) : name);
  };
  const release = (value: Buffer): void => {
    // What a record refers to goes when the record goes: the test's part, as it is the engine's.
    if (value[0] === KIND.data) oracle.release(value.readUIntLE(1, 6));
    if (value[0] === KIND.root) bed.drop(ROLE.map, value.subarray(1));
  };
  const record = (): Buffer => {
    const kind = random(12);
    if (kind === 0) return Buffer.from(dataRecord(bed.allocate(1), 1));
    if (kind === 1) {
      const inner = new Tree(forest, INNER);
      for (let i = random(60); i >= 0; i--) {
        inner.put(Buffer.from(`k${random(1000)}`), Buffer.alloc(random(20), i));
      }
      return Buffer.concat([Buffer.from([KIND.root]), inner.encodeRoot(random(200))]);
    }
    const value = Buffer.alloc(1 + random(shape.large ? 400 : 60), random(255));
    value[0] = KIND.plain;
    return value;
  };
  const edit = (twin: Twin, tree: Tree): void => {
    for (let i = random(30); i >= 0; i--) {
      const name = key();
      const text = name.toString('latin1');
      const found = tree.get(name);
      if (random(5) < 3) {
        const value = record();
        if (random(3) > 0) tree.set(name, value);
        else t.is(tree.put(name, value), !twin.model.has(text));
        twin.model.set(text, value);
      } else {
        t.is(tree.delete(name), twin.model.delete(text));
      }
      if (found !== undefined) release(Buffer.from(found));
    }
  };
  const compare = (tree: Tree, model: Map<string, Buffer>): void => {
    const keys = [...model.keys()].sort((a, b) =>
      compareBytes(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')),
    );
    const cursor = tree.cursor();
    let at = 0;
    for (let more = cursor.seekFirst(); more; more = cursor.next()) {
      t.is(Buffer.from(cursor.key()).toString('latin1'), keys[at++] ?? 'nothing');
    }
    t.is(at, keys.length);
    for (let more = cursor.seekLast(); more; more = cursor.previous()) {
      t.is(Buffer.from(cursor.key()).toString('latin1'), keys[--at] ?? 'nothing');
    }
    t.is(at, 0);
    t.is(tree.count(), model.size);
    t.is(tree.verify().records, model.size);
  };

  let running: OpenCheckpoint | undefined;
  for (let step = 0; step < OPS / 16; step++) {
    const twin = twins[random(twins.length)] as Twin;
    const action = random(20);
    if (action === 0 && twins.length < 6) {
      forest.retainReferences(twin.root, 0, twin.root.length, SPEC.role);
      forest.raiseGeneration();
      twins.push({ root: twin.root.slice(), model: new Map(twin.model) });
    } else if (action === 1 && twins.length > 1) {
      bed.drop(SPEC.role, twin.root);
      twins = twins.filter((one) => one !== twin);
    } else if (action <= 4) {
      if (running === undefined) {
        running = bed.startCheckpoint();
        running.seal(random(40));
        continue;
      }
      running.seal(random(40));
      if (random(3) === 0) continue;
      running.finish();
      running = undefined;
      for (const one of twins) forest.resolveReferences(one.root, 0, one.root.length, SPEC.role);
      if (random(2) === 0) {
        forest.cacheBytes = 0;
        forest.trim();
        t.is(forest.cachedBytes, 0);
        t.is(forest.packingBytes, 0);
      }
    } else if (action <= 6) {
      const before = { root: twin.root.slice(), model: new Map(twin.model) };
      const dirty = forest.dirtyBytes;
      forest.begin();
      oracle.begin();
      const tree = open(twin);
      edit(twin, tree);
      if (random(2) === 0) close(twin, tree);
      forest.rollback();
      oracle.rollback();
      twin.root = before.root;
      twin.model = before.model;
      t.is(forest.dirtyBytes, dirty);
      if (random(5) === 0) compare(open(twin), twin.model);
    } else if (action <= 8) {
      const bounds = [key(), key()].sort(compareBytes) as [Buffer, Buffer];
      const tree = open(twin);
      tree.deleteRange(bounds[0], bounds[1], (role, root) => bed.drop(role, root));
      for (const text of [...twin.model.keys()]) {
        const bytes = Buffer.from(text, 'latin1');
        if (compareBytes(bytes, bounds[0]) >= 0 && compareBytes(bytes, bounds[1]) < 0) {
          twin.model.delete(text);
        }
      }
      compare(tree, twin.model);
      close(twin, tree);
    } else if (action <= 10) {
      const tree = open(twin);
      const at = key();
      const upper = tree.splitOff(at);
      tree.verify();
      upper.verify();
      const below = [...twin.model.keys()].filter(
        (text) => compareBytes(Buffer.from(text, 'latin1'), at) < 0,
      );
      t.is(tree.count(), below.length);
      t.is(upper.count(), twin.model.size - below.length);
      tree.join(upper);
      t.true(upper.isEmpty());
      compare(tree, twin.model);
      close(twin, tree);
    } else {
      const inside = random(2) === 0;
      if (inside) forest.begin();
      const tree = open(twin);
      edit(twin, tree);
      close(twin, tree);
      if (inside) forest.release();
      if (random(5) === 0) forest.trim();
      if (random(5) === 0) compare(open(twin), twin.model);
    }
  }
  running?.finish();
  for (const twin of twins) compare(open(twin), twin.model);
  for (const twin of twins) bed.drop(SPEC.role, twin.root);
  t.is(forest.dirtyBytes, 0);
  t.deepEqual([...oracle.counts.keys()], []);
  t.is(new Set(oracle.freed).size, oracle.freed.length);
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'tiny nodes': { blockSize: 512, nodeSize: 512, keys: 2000, large: false },
  'small nodes of two blocks': { blockSize: 512, nodeSize: 1024, keys: 4000, large: true },
  'default nodes': { blockSize: 4096, nodeSize: 8192, keys: 10000, large: true },
  'few keys': { blockSize: 512, nodeSize: 512, keys: 60, large: false },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`Tree agrees with a map through clones, checkpoints and rollbacks: ${name}`, (t) => {
    for (let seed = SEED; seed < SEED + 3; seed++) {
      t.log(`SEED=${seed}`);
      live(t, shape, seed);
    }
  });
}
