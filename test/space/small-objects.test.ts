/** How many objects of 100 bytes a store holds, by the order in which their names come. */

import test from 'ava';
import { hasCode } from '../../src/index.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { smallStore } from './fixture.js';

const SEED = seedFromEnvironment();
const BYTES = 100;
const ROUND = 100;

/** Names, and the least part of what was `available` that their objects' bytes take. */
const ORDERS: Record<string, { least: number; nameOf: (i: number, prng: Prng) => string }> = {
  'in the order of their names': {
    least: 0.55,
    nameOf: (i) => String(i).padStart(8, '0'),
  },
  'with counted names': { least: 0.35, nameOf: (i) => `object ${i}` },
  'with random names': {
    least: 0.36,
    nameOf: (_, prng) => Buffer.from(prng.bytes(4)).toString('hex'),
  },
};

for (const [name, { least, nameOf }] of Object.entries(ORDERS)) {
  test(`a store is filled with small objects ${name}`, async (t) => {
    t.log(`SEED=${SEED}`);
    const prng = new Prng(SEED);
    const bed = smallStore();
    const { store } = bed;
    const { available } = store.statfsSync();
    const fillUp = (): void => {
      for (let i = 0; ; ) {
        const transaction = store.transaction();
        for (const end = i + ROUND; i < end; i++) {
          transaction.write('c', nameOf(i, prng), 0, prng.bytes(BYTES));
        }
        store.commitSync(transaction);
      }
    };
    t.true(hasCode(t.throws(fillUp), 'E_NO_SPACE'));
    const { stored } = store.statfsSync();
    t.log(`${(stored / available).toFixed(3)} of ${available} bytes`);
    t.true(stored > least * available);
    await bed.close();
    bed.audit();
  });
}
