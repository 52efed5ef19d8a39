import test from 'ava';
import type { StoreBed } from '../support/store-fixture.js';
import { storeBed } from '../support/store-fixture.js';

function idOf({ store }: StoreBed, object: string, collection = 'c'): number {
  return store.collection(collection).object(object).statSync().id;
}

test('the id of an object tells it from every other that had or has its name', (t) => {
  const bed = storeBed(t);
  const commit = (): void => void bed.store.commitSync(transaction);
  let transaction = bed.store.transaction().createCollection('c').touch('c', 'o').touch('c', 'p');
  commit();
  const seen = [idOf(bed, 'o'), idOf(bed, 'p')];
  for (const end of ['reopen', 'kill', 'none'] as const) {
    transaction = bed.store.transaction().remove('c', 'o').touch('c', 'o');
    commit();
    t.true(idOf(bed, 'o') > Math.max(...seen), end);
    seen.push(idOf(bed, 'o'));
    transaction = bed.store.transaction().remove('c', 'o');
    commit();
    if (end !== 'none') bed[end]();
    transaction = bed.store.transaction().touch('c', 'o').clone('c', 'o', 'copy');
    commit();
    t.true(idOf(bed, 'o') > Math.max(...seen), 'removed before the store was ended');
    seen.push(idOf(bed, 'o'));
    t.false(seen.includes(idOf(bed, 'copy')), 'a clone is an object of its own');
    seen.push(idOf(bed, 'copy'));
  }
  transaction = bed.store.transaction().moveRename('c', 'o', 'c', 'q').cloneCollection('c', 'd');
  const before = idOf(bed, 'o');
  commit();
  t.is(idOf(bed, 'q'), before, 'another name, the same object');
  t.is(idOf(bed, 'q', 'd'), before, 'a cloned collection holds the same objects');
});
