/**
 * The cleaner: it makes stripes free without anybody noticing, survives any crash, and never takes
 * what a transaction needs. Here it believes that no stripe is free, so that it works all the time.
 */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { StripeSurvey } from '../../src/alloc/stripe-survey.js';
import { hasCode } from '../../src/index.js';
import { Cleaner } from '../../src/txn/cleaner.js';
import { StripeBudget } from '../../src/txn/stripe-budget.js';
import { CrashTally } from '../sim/crash-checker.js';
import { SIMULATION_SHAPES, scriptOf } from '../sim/script.js';
import { play } from '../sim/simulation.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { storeBed } from '../support/store-fixture.js';

const KiB = 1024;
const SEED = seedFromEnvironment();
/** Simulations; more of them find rarer things. */
const ROUNDS = Number(process.env['OPS'] ?? 3);
const GEOMETRY = { unit: 8 * KiB, width: 32 * KiB };

let passes = 0;

test.before(() => {
  StripeSurvey.prototype.freeStripes = () => 0;
  StripeBudget.prototype.recount = () => undefined; // nobody else shall believe it
  const { pass } = Cleaner.prototype;
  Cleaner.prototype.pass = function* (this: Cleaner) {
    passes++;
    yield* pass.call(this);
  };
});

/** Lets the background go on until it has nothing to do. */
async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await turn();
}

test('stripes that are nearly empty become free, and nothing else changes', async (t) => {
  t.log(`SEED=${SEED}`);
  const bed = storeBed(t, { geometry: GEOMETRY, dirtyBytes: 256 * KiB });
  const random = new Prng(SEED);
  const { store } = bed;
  await store.commit(store.transaction().createCollection('c'));
  const kept = new Map<string, Uint8Array>();
  for (let i = 0; i < 300; i++) {
    const bytes = random.bytes(4 * KiB * (1 + random.below(4)));
    kept.set(`${i}`, bytes);
    await store.commit(
      store
        .transaction()
        .write('c', `${i}`, 0, bytes.slice())
        .mapSet('c', `${i}`, [['key', `value ${i}`]]),
    );
  }
  for (let i = 0; i < 300; i++) {
    if (i % 4 === 0) continue;
    kept.delete(`${i}`);
    await store.commit(store.transaction().remove('c', `${i}`));
  }
  store.checkpointSync();
  store.checkpointSync();
  const before = store.statfsSync().stripes;
  for (let i = 0; i < 8; i++) {
    await store.commit(store.transaction().touch('c', '0'));
    await settle();
    store.checkpointSync();
  }
  const after = store.statfsSync().stripes;
  t.log(JSON.stringify([before, after]));
  t.true(2 * (after?.partial ?? 0) <= (before?.partial ?? 0));
  t.true((after?.moved ?? 0) > 0);
  t.is(after?.partialWrites, 0);
  for (const [name, bytes] of kept) {
    t.deepEqual(store.collection('c').object(name).readSync(0, bytes.length), bytes);
  }
});

test('what was moved is changed where it is now, not where it was kept open', async (t) => {
  const bed = storeBed(t, { geometry: GEOMETRY });
  const { store } = bed;
  await store.commit(store.transaction().createCollection('c'));
  const bytesOf = (i: number): Buffer => Buffer.alloc(8 * KiB, i);
  for (let i = 0; i < 200; i++) {
    await store.commit(store.transaction().write('c', `${i}`, 0, bytesOf(i)));
  }
  store.checkpointSync();
  const kept = Array.from({ length: 50 }, (_, i) => 4 * i);
  for (let i = 0; i < 200; i++) {
    if (i % 4 !== 0) await store.commit(store.transaction().remove('c', `${i}`));
  }
  store.checkpointSync();
  for (let round = 0; round < 3; round++) {
    const change = store.transaction();
    for (const i of kept) change.setAttribute('c', `${i}`, 'round', `${round}`);
    await store.commit(change);
    await settle();
  }
  t.true((store.statfsSync().stripes?.moved ?? 0) > 0);
  store.checkpointSync();
  for (const i of kept) {
    t.deepEqual(Buffer.from(store.collection('c').object(`${i}`).readSync()), bytesOf(i));
  }
});

test('what is shared stays where it is, and stays shared', async (t) => {
  const bed = storeBed(t, { geometry: GEOMETRY, dirtyBytes: 128 * KiB });
  const random = new Prng(SEED);
  const { store } = bed;
  await store.commit(store.transaction().createCollection('c'));
  for (let i = 0; i < 200; i++) {
    const bytes = random.bytes(4 * KiB * (1 + random.below(4)));
    await store.commit(store.transaction().write('c', `${i}`, 0, bytes));
  }
  await store.commit(store.transaction().cloneCollection('c', 'd'));
  for (let i = 0; i < 200; i += 2) {
    await store.commit(store.transaction().remove('c', `${i}`));
    if (i % 4 === 0) await store.commit(store.transaction().remove('d', `${i}`));
  }
  store.checkpointSync();
  const { allocated } = store.statfsSync();
  for (let i = 0; i < 6; i++) {
    await store.commit(store.transaction().touch('c', '1'));
    await settle();
    store.checkpointSync();
  }
  t.true(store.statfsSync().allocated <= allocated + 64 * KiB);
});

test('a store that is full stays usable while it is cleaned', async (t) => {
  const bed = storeBed(t, { geometry: GEOMETRY, size: 8 * 1024 * KiB, dirtyBytes: 128 * KiB });
  const random = new Prng(SEED);
  const { store } = bed;
  await store.commit(store.transaction().createCollection('c'));
  const names: string[] = [];
  let refused = 0;
  for (let i = 0; i < 500; i++) {
    const bytes = random.bytes(KiB * (1 + random.below(60)));
    try {
      await store.commit(store.transaction().write('c', `${i}`, 0, bytes));
      names.push(`${i}`);
    } catch (error) {
      if (!hasCode(error, 'E_NO_SPACE')) throw error;
      refused++;
      const [name] = names.splice(random.below(names.length), 1);
      await store.commit(store.transaction().remove('c', name ?? ''));
    }
    await turn();
  }
  t.true(refused > 0, 'it was full');
  for (const name of names) await store.commit(store.transaction().remove('c', name));
});

test('stores that are cleaned keep their promises over crashes', async (t) => {
  t.timeout(100_000 * ROUNDS);
  t.log(`SEED=${SEED}`);
  const tally = new CrashTally();
  const before = passes;
  for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
    const shape = SIMULATION_SHAPES.striped;
    await play(scriptOf(new Prng(seed), shape, 4), { seed, shape, samples: 6, tally });
  }
  t.true(passes > before);
  t.true(tally.counts.states > 100);
});
