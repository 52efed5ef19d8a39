/**
 * Faults of reference counts, bitmaps and group summaries.
 */

import test from 'ava';
import { check } from './fixture.js';
import { Planter } from './planter.js';
import { ENGINE_FAULTS, faultyStore, SPACE_FAULTS, sharingStore } from './space-faults.js';

test('fsck() finds nothing where two objects share blocks', (t) => {
  t.deepEqual(check(sharingStore()).codes, []);
});

for (const code of Object.keys(ENGINE_FAULTS)) {
  test(`fsck() finds ${code}`, (t) => {
    const device = faultyStore(code);
    t.deepEqual(check(device).codes, [code]);
    t.deepEqual(check(device, { windowBlocks: 1 }).codes, [code]);
  });
}

test('a finding about blocks names the whole run', (t) => {
  let start = 0;
  const device = sharingStore(({ state }) => {
    state.begin();
    start = state.allocator.allocate(6, { purpose: 'data', contiguous: true })[0]?.start ?? 0;
    state.commit();
  });
  const [finding] = check(device).findings;
  t.is(finding?.offset, start * 1024);
  t.is(finding?.length, 6 * 1024);
});

for (const [name, [codes, plant]] of Object.entries(SPACE_FAULTS)) {
  test(`fsck() reports ${name} as ${codes.join(', ')}`, (t) => {
    const device = sharingStore();
    const planter = new Planter(device);
    plant(planter);
    planter.write();
    t.deepEqual(check(device).codes, codes);
  });
}
