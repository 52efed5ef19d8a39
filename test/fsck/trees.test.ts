/**
 * Faults inside trees: of nodes, of the pointers between them, and of records.
 */

import test from 'ava';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { BLOCK_HEADER } from '../../src/format/block.js';
import { getU48, getU64 } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { Store } from '../../src/index.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { check, close, commit, deepStore, linesOf, newStore, open } from './fixture.js';
import { flip, Planter } from './planter.js';
import { second, TREE_FAULTS, valueAt } from './tree-faults.js';

for (const [name, [codes, plant]] of Object.entries(TREE_FAULTS)) {
  test(`fsck() reports ${name} as ${codes.join(', ')}`, (t) => {
    const device = deepStore();
    const planter = new Planter(device);
    plant(planter);
    planter.write();
    const checked = check(device, { deep: true });
    t.deepEqual(checked.codes, codes, linesOf(checked).join('\n'));
    t.deepEqual(check(device, { deep: true, windowBlocks: 1 }).codes, codes);
  });
}

test('fsck() says once that a comparator is unknown, and checks all but the order', (t) => {
  const device = newStore();
  const engine = open(device);
  const format = { comparator: 'by-length', comparatorVersion: 3 };
  const entries = Array.from({ length: 99 }, (_, i) => [`k${i}`, new Uint8Array(60)] as const);
  for (const name of ['a', 'b']) {
    const build = (tx: Transaction): unknown =>
      tx.touch('c', name).formatMap('c', name, format).mapSet('c', name, entries);
    commit(engine, (tx) => build(name === 'a' ? tx.createCollection('c') : tx));
  }
  close(engine);
  t.deepEqual(check(device).codes, []);
  const { findings } = check(device, { comparators: new ComparatorRegistry() });
  t.deepEqual(
    findings.map(({ code, collection, object }) => [code, collection, object]),
    [['unknown-comparator', '"c"', '"a"']],
  );
});

test('fsck() notes an object id that a collection holds twice', (t) => {
  const device = newStore();
  const engine = open(device);
  commit(engine, (tx) => tx.createCollection('c').touch('c', 'o'));
  commit(engine, (tx) => tx.cloneCollection('c', 'd').moveRename('c', 'o', 'd', 'moved'));
  close(engine);
  const { codes, report } = check(device);
  t.deepEqual(codes, ['object-id-twice']);
  t.deepEqual(report.findings, { error: 0, warning: 0, note: 1 });
});

test('a finding names the collection and the object', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const extent = valueAt(planter, second(planter, ROLE.blob, 0), 2);
  const { blockSize } = planter.superblock;
  flip(planter.image, getU48(extent, 7) * blockSize + 2000);
  planter.write();
  const { findings } = check(device, { deep: true });
  t.deepEqual(findings, [
    {
      code: 'data-damaged',
      severity: 'error',
      message: 'Bytes [93000, 96000) differ from their checksum',
      tree: 'blob',
      collection: '"c"',
      object: '"large"',
      offset: getU48(extent, 7) * blockSize,
      length: 3 * blockSize,
      objectOffset: 93_000,
      objectLength: 3000,
    },
  ]);
});

test('a node that is read, changed and written again keeps its owner', (t) => {
  const device = deepStore();
  const engine = open(device);
  for (const i of ['000', '015', '030']) {
    commit(engine, (tx) => tx.write('c', `object-${i}`, 0, new Uint8Array(100)));
  }
  close(engine);
  const planter = new Planter(device);
  const leaves = planter.nodes(ROLE.objects, 0);
  const owners = leaves.map((leaf) => getU64(planter.page(leaf), BLOCK_HEADER.owner));
  t.deepEqual([...new Set(owners)], [1]);
});

for (const name of ['an extent out of the device', 'a pointer out of the device']) {
  test(`reading over ${name} is E_CORRUPT`, (t) => {
    const device = deepStore();
    const planter = new Planter(device);
    TREE_FAULTS[name]?.[1](planter);
    planter.write();
    const store = Store.openOnSync(device);
    const object = store.collection('c').object(name.startsWith('an extent') ? 'large' : 'map');
    t.throws(() => [object.readSync(), object.mapEntriesSync()], {
      code: 'E_CORRUPT',
      message: /the device ends at/,
    });
  });
}
