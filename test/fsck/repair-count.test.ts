/**
 * Several faults of one kind at once: fsck reports each of them, repair mends all.
 */

import test from 'ava';
import { getU48 } from '../../src/format/bytes.js';
import { ROLE } from '../../src/format/role.js';
import { SUPERBLOCK_SIZE } from '../../src/format/superblock.js';
import type { FindingCode } from '../../src/fsck/finding.js';
import { check } from './fixture.js';
import { flip, Planter } from './planter.js';
import { contentOf, deepCopy, mend } from './repair-fixture.js';
import { onodeOf, valueAt } from './tree-faults.js';

/** How to plant `count` faults of a kind, and what they cost. */
interface Kind {
  readonly code: FindingCode;
  plant(planter: Planter, count: number): void;
  /** Objects that may change. */
  readonly losses: RegExp;
  /** Stays, as a damaged range. */
  readonly stays?: boolean;
}

const NOTHING = /^$/;

const KINDS: readonly Kind[] = [
  {
    code: 'superblock-slot',
    plant(planter, count) {
      for (const offset of planter.slots().slice(0, count)) {
        planter.image.fill(0, offset, offset + SUPERBLOCK_SIZE);
      }
    },
    losses: NOTHING,
  },
  {
    code: 'node-damaged',
    plant(planter, count) {
      const leaves = planter.nodes(ROLE.map, 0);
      for (const leaf of leaves.slice(1, 1 + count)) flip(planter.page(leaf), 600);
    },
    losses: /^c\/map$/,
  },
  {
    code: 'record-damaged',
    plant(planter, count) {
      for (let i = 0; i < count; i++) {
        const { leaf, record } = onodeOf(planter, `object-00${2 * i}`);
        record[0] = 127;
        planter.seal(leaf);
      }
    },
    losses: /^c\/object-00[024]$/,
  },
  {
    code: 'birth-order',
    plant(planter, count) {
      for (let i = 0; i < count; i++) {
        const { leaf, record } = onodeOf(planter, `object-00${2 * i}`);
        record[5] = 99;
        planter.seal(leaf);
      }
    },
    losses: NOTHING,
  },
  {
    code: 'leaked-blocks',
    plant(planter, count) {
      const last = planter.superblock.groupBlocks - 100;
      for (let i = 0; i < count; i++) planter.mark(last + 2 * i);
    },
    losses: NOTHING,
  },
  {
    code: 'data-damaged',
    plant(planter, count) {
      const leaf = planter.nodes(ROLE.blob, 0)[1] as number;
      for (let i = 0; i < count; i++) {
        const block = getU48(valueAt(planter, leaf, i), 7);
        flip(planter.image, block * planter.superblock.blockSize + 2000);
      }
    },
    losses: /^c\/large$/,
    stays: true,
  },
];

for (const { code, plant, losses, stays = false } of KINDS) {
  for (const count of [1, 3]) {
    test(`fsck() reports ${count} times ${code}, repair() leaves nothing that can be mended`, (t) => {
      const device = deepCopy();
      const before = contentOf(device);
      const planter = new Planter(device);
      plant(planter, count);
      planter.write();
      const found = check(device, { deep: true }).findings.filter((one) => one.code === code);
      t.is(found.length, count);
      mend(device, { deep: true });
      const left = check(device, { deep: true }).findings;
      t.deepEqual(
        left.map((one) => one.code),
        stays ? Array(count).fill(code) : [],
      );
      const after = contentOf(device);
      for (const [name, content] of before) {
        if (!losses.test(name)) t.deepEqual(after.get(name), content, name);
      }
    });
  }
}
