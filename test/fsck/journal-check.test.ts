/**
 * Faults of the journal behind the newest superblock.
 */

import test from 'ava';
import { check } from './fixture.js';
import { faultyJournal, JOURNAL_FAULTS } from './journal-faults.js';

for (const [name, [codes, pending, plant]] of Object.entries(JOURNAL_FAULTS)) {
  test(`fsck({ deep }) reports ${name} as ${codes.join(', ')}`, (t) => {
    const checked = check(faultyJournal(plant), { deep: true });
    t.deepEqual(checked.codes, codes);
    t.is(checked.report.pendingTransactions, pending);
  });
}
