/**
 * Faults inside the trees of `deepStore`: of nodes, of the pointers between them, and of records.
 */

import { BODY_START, NODE_BODY } from '../../src/btree/node-format.js';
import { getU48, setU16, setU48, setU64BigEndian } from '../../src/format/bytes.js';
import { POINTER } from '../../src/format/pointer.js';
import { ROLE } from '../../src/format/role.js';
import { addU32, flip, type Planter, replace } from './planter.js';

/** The second of the nodes of a role and level. */
export function second(planter: Planter, role: number, level: number): number {
  return planter.nodes(role, level)[1] as number;
}

function keyAt(planter: Planter, address: number, index: number): Uint8Array {
  return planter.entries(address)[index]?.key as Uint8Array;
}

export function valueAt(planter: Planter, address: number, index: number): Uint8Array {
  return planter.entries(address)[index]?.value as Uint8Array;
}

/** The record of an object, and the leaf that it is in. */
export function onodeOf(planter: Planter, name: string): { leaf: number; record: Uint8Array } {
  for (const leaf of planter.nodes(ROLE.objects, 0)) {
    for (const { key, value } of planter.entries(leaf)) {
      if (Buffer.from(key).toString() === name) return { leaf, record: value };
    }
  }
  throw new RangeError(`Cannot find object ${name} in the image`);
}

/** A fault, and all that fsck may say about it. */
export type Fault = readonly [codes: readonly string[], plant: (planter: Planter) => void];

export const TREE_FAULTS: Readonly<Record<string, Fault>> = {
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
  'a pointer with unknown flags': [
    ['pointer-damaged', 'space-unknown'],
    (planter) => {
      const { leaf, record } = onodeOf(planter, 'map');
      flip(record, record.length - POINTER.size + POINTER.flags);
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
  'a branch with one child': [
    ['blob-size', 'leaked-blocks', 'node-underfull', 'pointer-totals'],
    (planter) => {
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
    },
  ],
};
