/**
 * Faults of the journal behind the newest superblock.
 */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import { fsck } from '../../src/fsck/fsck.js';
import { mkfsOn } from '../../src/index.js';
import { SimulatedPair } from '../support/simulated-pair.js';
import { check } from './fixture.js';
import { faultyJournal, JOURNAL_FAULTS } from './journal-faults.js';

for (const [name, [codes, pending, plant]] of Object.entries(JOURNAL_FAULTS)) {
  test(`fsck({ deep }) reports ${name} as ${codes.join(', ')}`, (t) => {
    const checked = check(faultyJournal(plant), { deep: true });
    t.deepEqual(checked.codes, codes);
    t.is(checked.report.pendingTransactions, pending);
  });
}

test("fsck() reports a journal whose device is another one's as journal-lost", (t) => {
  const sizes = { data: 4 * 1024 * 1024, journal: 512 * 1024 };
  const [one, other] = [new SimulatedPair({ sizes }), new SimulatedPair({ sizes })];
  for (const { data, journal: journalDevice } of [one, other]) mkfsOn(data, { journalDevice });
  const codes: string[] = [];
  const comparators = new ComparatorRegistry();
  const onFinding = ({ code }: { code: string }): unknown => codes.push(code);
  for (const journalDevice of [one.journal, other.journal, undefined]) {
    runSync(fsck(one.data, { journalDevice, comparators, onFinding }));
  }
  t.deepEqual(codes, ['journal-lost', 'journal-lost']);
});
