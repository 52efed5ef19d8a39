/**
 * Faults of superblock slots and of the superblock's own figures.
 */

import test from 'ava';
import { check } from './fixture.js';
import {
  DROP_FAULTS,
  droppingStore,
  FATAL_FAULTS,
  SUPERBLOCK_FAULTS,
  smallStore,
} from './superblock-faults.js';

for (const [name, [codes, plant]] of Object.entries({ ...SUPERBLOCK_FAULTS, ...FATAL_FAULTS })) {
  test(`fsck() reports ${name} as ${codes.join(', ')}`, (t) => {
    t.deepEqual(check(smallStore(plant), { deep: true }).codes, codes);
  });
}

test('fsck() walks the drop list', (t) => {
  const nothing = (): void => undefined;
  t.deepEqual(check(droppingStore(nothing, nothing)).codes, []);
});

for (const [code, store] of Object.entries(DROP_FAULTS)) {
  test(`fsck() finds ${code}`, (t) => {
    t.deepEqual(check(store()).codes, [code]);
  });
}
