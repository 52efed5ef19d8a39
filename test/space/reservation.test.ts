/** Reservations: what was promised is there, however full the store is. */

import test from 'ava';
import {
  hasCode,
  mkfsOn,
  type ReservationUnits,
  Store,
  type Transaction,
} from '../../src/index.js';
import { IS_MEDIA_FULL, roundsOn, testOnMedia } from '../support/media-test.js';
import { MEDIUM_KINDS } from '../support/medium.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { fill, fsckFindings, put, remove, SMALL_SIZE, smallMemory, smallStore } from './fixture.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const SIZE = 16 * MiB;
const SIZES = [100 * KiB, 20 * KiB];

/** Reserved transactions beside a clone of everything. */
const ROUNDS = 1000;

const seed = seedFromEnvironment();

/** What one transaction of the PG redeems. */
function unitsOf(bytes: number): ReservationUnits {
  return { bytes: bytes + 5 * 60, operations: 3, keys: 5 };
}

function times(units: ReservationUnits, count: number): ReservationUnits {
  return {
    bytes: units.bytes * count,
    operations: units.operations * count,
    keys: units.keys * count,
  };
}

/** A transaction of the PG on object `name`, within `unitsOf(data.length)`. */
function redeeming(store: Store, name: string, data: Uint8Array): Transaction {
  const value = 'v'.repeat(40);
  const keys = [1, 2, 3, 4].map((i) => [`${name}/${i}`, value] as const);
  return store
    .transaction()
    .redeem('pg', unitsOf(data.length))
    .write('pg', name, 0, data)
    .setAttribute('pg', name, 'attribute', value)
    .mapSet('pg', name, keys);
}

function withPg(store: Store, units: ReservationUnits): void {
  store.commitSync(store.transaction().createCollection('pg').reserve('pg', units, 'osd.1'));
}

for (const bytes of [100, 5000, 40 * KiB]) {
  const title = `every reserved transaction of ${bytes} bytes succeeds in a full store`;
  const kinds = bytes === 5000 || IS_MEDIA_FULL ? MEDIUM_KINDS : (['memory'] as const);
  testOnMedia(title, { size: SIZE, kinds }, async (t, medium) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const count = 12;
    const bed = smallStore(medium);
    const { store } = bed;
    withPg(store, times(unitsOf(bytes), count));
    fill(store, 'f', prng, SIZES);
    for (let i = 0; i < count; i++) {
      const name = `o${prng.below(count)}`;
      t.notThrows(() => store.commitSync(redeeming(store, name, prng.bytes(bytes))), `number ${i}`);
      if (i % 3 === 0) fill(store, `more${i}-`, prng, [20 * KiB]); // what was held and not used
    }
    const error = t.throws(() => store.commitSync(redeeming(store, 'o', prng.bytes(bytes))));
    t.true(hasCode(error, 'E_INVALID'));
    t.is(store.statfsSync().reserved, 0);
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  });
}

testOnMedia(
  'reserved transactions succeed with a clone of everything, again and again',
  { size: SIZE },
  async (t, medium) => {
    t.timeout(120_000);
    t.log('SEED', seed);
    const prng = new Prng(seed);
    const bed = smallStore(medium);
    const { store } = bed;
    const count = 10;
    const rounds = roundsOn(medium, ROUNDS / count);
    store.commitSync(store.transaction().createCollection('pg'));
    for (let i = 0; i < 20; i++) {
      store.commitSync(store.transaction().write('pg', `o${i}`, 0, prng.bytes(9000)));
    }
    const names = fill(store, 'f', prng, SIZES);
    for (let round = 0; round < rounds; round++) {
      // Make room, clone everything, reserve, and let the others take all the rest.
      while (names.length > 60) remove(store, names.pop() as string);
      const reset = store.transaction();
      if (round > 0) for (const name of ['pg', 'c']) reset.dropCollection(`${name} clone`);
      for (const name of ['pg', 'c']) reset.cloneCollection(name, `${name} clone`);
      const bytes = prng.pick([100, 5000, 40 * KiB]);
      reset.reserve('pg', times(unitsOf(bytes), count), 'osd.1');
      store.commitSync(reset);
      names.push(...fill(store, `g${round}-`, prng, SIZES));
      for (let i = 0; i < count; i++) {
        const data = prng.bytes(bytes);
        store.commitSync(redeeming(store, `o${prng.below(20)}`, data));
      }
      store.commitSync(store.transaction().cancelReservation('pg'));
    }
    store.closeSync();
    t.deepEqual(await fsckFindings(bed), []);
  },
);

testOnMedia(
  'reserved transactions succeed with many in flight',
  { size: SIZE },
  async (t, medium) => {
    t.timeout(120_000);
    const prng = new Prng(seed);
    const count = 15;
    const bed = smallStore(medium);
    const { store } = bed;
    const bytes = 50 * KiB;
    withPg(store, times(unitsOf(bytes), count));
    fill(store, 'f', prng, SIZES);
    const committed: Promise<unknown>[] = [];
    const others: Promise<unknown>[] = [];
    for (let i = 0; i < count; i++) {
      committed.push(store.commit(redeeming(store, `o${i % 7}`, prng.bytes(bytes))));
      // One that has no room waits for those before it: it may get what they replace or give back.
      others.push(
        store.commit(store.transaction().write('c', `more ${i}`, 0, prng.bytes(200 * KiB))),
      );
    }
    const ends = await Promise.allSettled(others);
    const refusals = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []));
    for (const reason of refusals) t.like(reason, { code: 'E_NO_SPACE' });
    await t.notThrowsAsync(Promise.all(committed));
    await store.close();
    t.deepEqual(await fsckFindings(bed), []);
  },
);

test('a cancelled or smaller reservation gives its space back at once', (t) => {
  const prng = new Prng(seed);
  const { store } = smallStore(smallMemory(SIZE));
  withPg(store, { bytes: 2 * MiB, operations: 10, keys: 0 });
  fill(store, 'f', prng, SIZES);
  const before = store.statfsSync();
  const smaller = { bytes: MiB, operations: 10, keys: 0 };
  store.commitSync(store.transaction().reserve('pg', smaller));
  t.deepEqual(
    store.reservationsSync().map(({ owner }) => Buffer.from(owner).toString()),
    ['osd.1'],
    'an owner that is not given stays',
  );
  t.is(before.reserved - store.statfsSync().reserved, MiB);
  t.true(put(store, 'x', prng.bytes(MiB - 64 * KiB)));
  t.false(put(store, 'y', prng.bytes(MiB - 64 * KiB)));
  store.commitSync(store.transaction().cancelReservation('pg'));
  t.is(store.statfsSync().reserved, 0);
  t.true(put(store, 'y', prng.bytes(MiB - 64 * KiB)));
  store.closeSync();
});

test('a reservation that does not fit is refused', (t) => {
  const { store } = smallStore();
  const { available } = store.statfsSync();
  const reserve = store.transaction().reserve('pg', { bytes: available, operations: 10, keys: 10 });
  const error = t.throws(() => store.commitSync(reserve));
  t.true(hasCode(error, 'E_NO_SPACE'));
  t.deepEqual(store.reservationsSync(), []);
  store.closeSync();
});

testOnMedia(
  'reservations survive a crash and a clean end',
  { size: SMALL_SIZE },
  async (t, medium) => {
    const bed = smallStore(medium);
    const { store } = bed;
    const units = { bytes: 100_000, operations: 7, keys: 3 };
    withPg(store, units);
    const part = { bytes: 40_000, operations: 2, keys: 1 };
    store.commitSync(store.transaction().redeem('pg', part).write('pg', 'o', 0, 'data'));
    const listed = store.reservationsSync();
    t.deepEqual(
      listed.map(({ bytes, operations, keys }) => ({ bytes, operations, keys })),
      [{ bytes: 60_000, operations: 5, keys: 2 }],
    );
    const { reserved } = store.statfsSync();
    await bed.cut();
    bed.open();
    t.deepEqual(bed.store.reservationsSync(), listed);
    t.is(bed.store.statfsSync().reserved, reserved);
    await bed.close();
    bed.open();
    t.deepEqual(bed.store.reservationsSync(), listed);
    t.is(bed.store.statfsSync().reserved, reserved);
    await bed.close();
  },
);

test('statfs() adds up', async (t) => {
  const prng = new Prng(seed);
  const { store } = smallStore(smallMemory(SIZE));
  const rest = (): number => {
    const { total, allocated, pending, reserved, available } = store.statfsSync();
    return total - allocated - pending - reserved - available;
  };
  store.checkpointSync();
  const poolAndFloor = rest();
  withPg(store, { bytes: MiB, operations: 10, keys: 20 });
  for (let i = 0; i < 30; i++) {
    t.true(put(store, `o${i % 20}`, prng.bytes(prng.below(100 * KiB))));
    if (i % 3 === 0) remove(store, `o${prng.below(20)}`);
    if (i % 7 !== 0) continue;
    // What is on the drop list counts as allocated too, and what is dirty as neither.
    for (let round = 0; round < 3 || store.statfsSync().pending > 0; round++) {
      await store.checkpoint();
      await new Promise(setImmediate);
    }
    t.is(rest(), poolAndFloor);
  }
  store.closeSync();
});

test('redeem() of what no reservation holds takes nothing from the pool, not for a moment', async (t) => {
  for (const reserved of [0, 100 * KiB]) {
    for (let beyond = 640; beyond < 720; beyond += 20) {
      const device = new SimulatedDevice({ size: SMALL_SIZE, history: false });
      mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: 512 * KiB });
      const store = Store.openOnSync(device);
      withPg(store, { bytes: reserved, operations: 0, keys: 0 });
      for (let i = 0; i < 60; i++) put(store, `o${i}`, new Uint8Array(900), 'pg');
      store.checkpointSync();
      const bytes = store.statfsSync().available + beyond * KiB;
      for (let i = 0; i < 60; i++) put(store, `o${i}`, new Uint8Array(10), 'pg');
      device.hold();
      const large = store.transaction().redeem('none', { bytes: 2 ** 40, operations: 0, keys: 0 });
      const { applied } = store.submit(large.write('pg', 'large', 0, new Uint8Array(bytes)));
      await Promise.resolve();
      t.notThrows(() => store.checkpointSync(), `${beyond} KiB more than are free`);
      device.release();
      const refused = await t.throwsAsync(applied);
      t.true(hasCode(refused, 'E_NO_SPACE') || hasCode(refused, 'E_NOT_FOUND'));
      await store.close();
    }
  }
});
