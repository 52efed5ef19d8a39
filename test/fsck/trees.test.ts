/**
 * Faults inside trees: of nodes, of the pointers between them, and of records.
 */

import test from 'ava';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { BODY_START, NODE_BODY } from '../../src/btree/node-format.js';
import { getU48, setU16, setU48, setU64BigEndian } from '../../src/format/bytes.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { check, close, commit, deepStore, linesOf, newStore, open } from './fixture.js';
import { addU32, flip, Planter, replace } from './planter.js';

/** The second of the nodes of a role and level. */
function second(planter: Planter, role: number, level: number): number {
  return planter.nodes(role, level)[1] as number;
}

function keyAt(planter: Planter, address: number, index: number): Uint8Array {
  return planter.entries(address)[index]?.key as Uint8Array;
}

function valueAt(planter: Planter, address: number, index: number): Uint8Array {
  return planter.entries(address)[index]?.value as Uint8Array;
}

/** The record of an object, and the leaf that it is in. */
function onodeOf(planter: Planter, name: string): { leaf: number; record: Uint8Array } {
  for (const leaf of planter.nodes(ROLE.objects, 0)) {
    for (const { key, value } of planter.entries(leaf)) {
      if (Buffer.from(key).toString() === name) return { leaf, record: value };
    }
  }
  throw new RangeError(`Cannot find object ${name} in the image`);
}

/** A fault, and all that fsck may say about it. */
type Fault = readonly [codes: readonly string[], plant: (planter: Planter) => void];

const FAULTS: Readonly<Record<string, Fault>> = {
  'nothing at all': [[], () => undefined],
  'a flipped byte in a leaf of a map': [
    ['node-damaged', 'space-unknown'],
    (planter) => flip(planter.page(second(planter, ROLE.map, 0)), 600),
  ],
  "a flipped byte in a leaf's own copy of its checksum": [
    ['block-copy'],
    (planter) => flip(planter.page(second(planter, ROLE.map, 0)), 3),
  ],
  'a lost root of objects': [
    ['node-damaged', 'space-unknown'],
    (planter) => planter.page(planter.nodes(ROLE.objects, 1)[0] as number).fill(0),
  ],
  'a leaf that counts one entry too many': [
    ['node-malformed', 'space-unknown'],
    (planter) => {
      const leaf = second(planter, ROLE.map, 0);
      addU32(planter.page(leaf), BODY_START + NODE_BODY.count, 1);
      planter.seal(leaf);
    },
  ],
  'two keys in the wrong order': [
    ['key-order'],
    (planter) => {
      const leaf = second(planter, ROLE.map, 0);
      const key = keyAt(planter, leaf, 0);
      key.set(Buffer.from('k999'));
      planter.seal(leaf);
    },
  ],
  'a key below its separator': [
    ['key-bounds'],
    (planter) => {
      const leaf = second(planter, ROLE.map, 0);
      keyAt(planter, leaf, 0).set(Buffer.from('a000'));
      planter.seal(leaf);
    },
  ],
  'a key above the next separator': [
    ['key-bounds'],
    (planter) => {
      const leaf = second(planter, ROLE.map, 0);
      keyAt(planter, leaf, planter.entries(leaf).length - 1).set(Buffer.from('z000'));
      planter.seal(leaf);
    },
  ],
  'a pointer that counts other records': [
    ['pointer-totals'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      addU32(record, record.length - POINTER.size + POINTER.records, 1);
      planter.seal(leaf);
    },
  ],
  'a pointer with reserved bytes': [
    ['pointer-damaged', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      flip(record, record.length - POINTER.size + POINTER.reserved);
      planter.seal(leaf);
    },
  ],
  'a pointer out of the device': [
    ['outside-device', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      setU48(record, record.length - POINTER.size, 2 ** 40);
      planter.seal(leaf);
    },
  ],
  'a pointer into the journal': [
    ['in-fixed-place', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      const { journalOffset, blockSize } = planter.superblock;
      setU48(record, record.length - POINTER.size, journalOffset / blockSize);
      planter.seal(leaf);
    },
  ],
  'a pointer to a node of another tree': [
    ['doubly-used', 'node-damaged', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      const [other] = planter.nodes(ROLE.blob, 1);
      setU48(record, record.length - POINTER.size, other as number);
      planter.seal(leaf);
    },
  ],
  'two pointers to the same node': [
    // The second child is lost, the first has two parents: its keys belong to one of them.
    ['doubly-used', 'key-bounds', 'leaked-blocks'],
    (planter) => {
      const [branch] = planter.nodes(ROLE.map, 1);
      valueAt(planter, branch as number, 1).set(valueAt(planter, branch as number, 0));
      planter.seal(branch as number);
    },
  ],
  'an onode with unknown flags': [
    ['record-damaged', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'object-009');
      record[0] = 127;
      planter.seal(leaf);
    },
  ],
  'an onode of the future': [
    ['birth-order'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      record[4] = 99;
      planter.seal(leaf);
    },
  ],
  'a cleared flag of large values': [
    ['large-value-flag'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'value');
      record[0] = (record[0] as number) & ~16;
      planter.seal(leaf);
    },
  ],
  'an entry of a blob stream at another offset': [
    ['blob-tiling'],
    (planter) => {
      const leaf = second(planter, ROLE.blob, 0);
      setU64BigEndian(keyAt(planter, leaf, 3), 0, 95_999);
      planter.seal(leaf);
    },
  ],
  'a size that is not where the entries end': [
    ['blob-size', 'pointer-totals'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'object-009');
      replace(record.subarray(0, 8), Uint8Array.of(0xdc, 0x0b), Uint8Array.of(0xdd, 0x0b));
      planter.seal(leaf);
    },
  ],
  'an extent with a block too few': [
    ['extent-shape', 'leaked-blocks'],
    (planter) => {
      const leaf = second(planter, ROLE.blob, 0);
      const entry = valueAt(planter, leaf, 2);
      entry[6] = (entry[6] as number) - 1;
      planter.seal(leaf);
    },
  ],
  'an extent out of the device': [
    ['outside-device', 'space-unknown'],
    (planter) => {
      const leaf = second(planter, ROLE.blob, 0);
      setU48(valueAt(planter, leaf, 2), 7, 2 ** 30);
      planter.seal(leaf);
    },
  ],
  'an extent in the place of another': [
    ['data-damaged', 'doubly-used', 'leaked-blocks'],
    (planter) => {
      const leaf = second(planter, ROLE.blob, 0);
      const entry = valueAt(planter, leaf, 2);
      entry.set(valueAt(planter, leaf, 1).subarray(7, 13), 7);
      planter.seal(leaf);
    },
  ],
  'a flipped byte of data': [
    ['data-damaged'],
    (planter) => {
      const extent = valueAt(planter, second(planter, ROLE.blob, 0), 2);
      flip(planter.image, getU48(extent, 7) * planter.superblock.blockSize + 2000);
    },
  ],
};

for (const [name, [codes, plant]] of Object.entries(FAULTS)) {
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

test('fsck() finds node-underfull where a branch has one child', (t) => {
  const device = deepStore();
  const planter = new Planter(device);
  const branch = planter.nodes(ROLE.blob, 1)[0] as number;
  const page = planter.page(branch);
  const [first] = planter.entries(branch);
  const start = page.length - 8 - POINTER.size;
  const only = [...(first?.key ?? []), ...(first?.value ?? [])];
  page.fill(0, BODY_START + NODE_BODY.size);
  page.set(only, start);
  setU16(page, BODY_START + NODE_BODY.count, 1);
  setU16(page, BODY_START + NODE_BODY.heapStart, start - BODY_START);
  setU16(page, BODY_START + NODE_BODY.size, start - BODY_START);
  planter.seal(branch);
  planter.write();
  const { codes } = check(device);
  t.deepEqual(codes, ['blob-size', 'leaked-blocks', 'node-underfull', 'pointer-totals']);
});

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
    },
  ]);
});
