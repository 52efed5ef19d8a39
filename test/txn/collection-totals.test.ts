/** What collections hold is known without a walk, and right, whatever transactions did. */

import test, { type ExecutionContext } from 'ava';
import { hasCode } from '../../src/errors.js';
import type { Engine } from '../../src/txn/engine.js';
import type { Transaction } from '../../src/txn/transaction.js';
import { checkpoint, close, commit, newStore, open } from '../fsck/fixture.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';

const SEED = seedFromEnvironment();
const OPS = Number(process.env['OPS'] ?? 600);

const NAMES = ['a', 'b', 'c', 'd'];

function check(t: ExecutionContext, engine: Engine, isKnown: boolean): void {
  for (const name of NAMES) {
    const collection = engine.state.collection(name);
    if (collection === undefined) continue;
    const { known, objects } = collection;
    if (isKnown) t.not(known, undefined, name);
    if (known === undefined) continue;
    const totals = { objects: objects.count(), storedBytes: objects.storedBytes() };
    t.deepEqual(known, totals, name);
  }
}

/** One or several random changes. */
function change(prng: Prng, transaction: Transaction): void {
  for (let left = prng.between(1, 4); left > 0; left--) {
    const [name, other] = [prng.pick(NAMES), prng.pick(NAMES)];
    const [object, target] = [`object ${prng.below(60)}`, `object ${prng.below(60)}`];
    const kind = prng.below(24);
    if (kind === 0) transaction.createCollection(name);
    else if (kind === 1) transaction.dropCollection(name);
    else if (kind === 2) transaction.cloneCollection(name, other);
    else if (kind === 3) transaction.renameCollection(name, other);
    else if (kind < 7) transaction.remove(name, object);
    else if (kind < 9) transaction.clone(name, object, target);
    else if (kind < 11) transaction.truncate(name, object, prng.below(5000));
    else if (kind < 12) transaction.moveRename(name, object, other, target);
    else transaction.write(name, object, prng.below(2000), prng.bytes(prng.between(1, 3000)));
  }
}

test('totals of collections stay known and right over rollbacks and checkpoints', (t) => {
  t.log(`SEED=${SEED} OPS=${OPS}`);
  const prng = new Prng(SEED);
  const device = newStore();
  let engine = open(device);
  for (let i = 0; i < OPS; i++) {
    try {
      commit(engine, (transaction) => change(prng, transaction));
    } catch (error) {
      t.true(hasCode(error, 'E_NOT_FOUND') || hasCode(error, 'E_EXISTS'), String(error));
    }
    if (prng.chance(0.05)) checkpoint(engine);
    if (prng.chance(0.01)) {
      close(engine);
      engine = open(device);
    }
    if (i % 5 === 0) check(t, engine, true);
  }
  check(t, engine, true);
  close(engine);
});

test('totals are right after objects moved between collections in bulk', (t) => {
  const device = newStore();
  const engine = open(device);
  const fill = (name: string, objects: number): void =>
    commit(engine, (transaction) => {
      for (let i = 0; i < objects; i++) {
        transaction.write(name, `object ${i}`, 0, Buffer.alloc(i + 1));
      }
    });
  commit(engine, (transaction) => {
    for (const name of NAMES.slice(0, 2)) {
      transaction.createCollection(name, { order: 'hash' });
    }
  });
  fill('a', 500);
  commit(engine, (transaction) => transaction.splitCollection('a', 'b', 1, 1));
  check(t, engine, false);
  const { counters } = engine.state;
  t.is(counters.objects, 500);
  commit(engine, (transaction) => transaction.cloneCollection('b', 'c'));
  const held = engine.state.collection('b')?.totals.objects ?? 0;
  t.is(engine.state.counters.objects, 500 + held);
  commit(engine, (transaction) => transaction.dropCollection('c'));
  t.is(engine.state.counters.objects, 500);
  checkpoint(engine);
  fill('a', 0);
  commit(engine, (transaction) => transaction.mergeCollection('b', 'a', 0));
  check(t, engine, true);
  t.is(engine.state.collection('a')?.totals.objects, 500);
  commit(engine, (transaction) => transaction.dropCollection('a'));
  t.is(engine.state.counters.objects, 0);
  t.is(engine.state.counters.storedBytes, 0);
  close(engine);
});
