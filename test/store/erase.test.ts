/**
 * Erasing: what was removed is found nowhere on the device any more, and what lives still is.
 */

import test, { type ExecutionContext } from 'ava';
import { hasCode, mkfsOn, Store, type Transaction } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { type BedOptions, type StoreBed, storeBed } from '../support/store-fixture.js';

const ERASES: BedOptions = { eraseFreed: true, size: 24 * 1024 * 1024 };

/** 32 bytes that stand nowhere else. */
function marker(name: string): Buffer {
  return Buffer.from(`<${name}>`.padEnd(32, '#').slice(0, 32));
}

/** Markers, each with other bytes around it that are none. */
function around(length: number, at: number, ...names: string[]): Buffer {
  const bytes = Buffer.alloc(length, 0x2e);
  names.forEach((name, i) => {
    marker(name).copy(bytes, at + i * 40);
  });
  return bytes;
}

/** Which of the markers stand on the device. */
function found(bed: { readonly device: SimulatedDevice }, names: readonly string[]): string[] {
  const bytes = Buffer.from(bed.device.bytes());
  return names.filter((name) => bytes.includes(marker(name)));
}

async function erased(
  t: ExecutionContext,
  bed: StoreBed,
  { gone, stays = [] }: { gone: readonly string[]; stays?: readonly string[] },
): Promise<void> {
  const report = await bed.store.erase();
  t.true(report.isComplete);
  t.deepEqual(found(bed, gone), [], 'what was removed is gone');
  t.deepEqual(found(bed, stays), [...stays], 'what lives is there');
  t.is(bed.store.statfsSync().unerased, 0);
}

function begin(t: ExecutionContext, options: BedOptions = {}): StoreBed {
  const bed = storeBed(t, { ...ERASES, ...options });
  bed.commit((tx) => tx.createCollection('c'));
  return bed;
}

/** Commits, with a checkpoint before and after: what is written goes through nodes too. */
function step(bed: StoreBed, build: (transaction: Transaction) => unknown): void {
  bed.commit(build);
  bed.store.checkpointSync();
}

const SIZES = { inline: 160, 'in its record': 5000, ahead: 50_000, 'in large chunks': 900_000 };

for (const [kind, size] of Object.entries(SIZES)) {
  test(`a removed object's data, ${kind}`, async (t) => {
    const bed = begin(t);
    step(bed, (tx) => {
      tx.write('c', 'gone', 0, around(size, size / 2, 'data'));
      tx.write('c', 'stays', 0, around(size, size / 2, 'other'));
    });
    t.deepEqual(found(bed, ['data', 'other']), ['data', 'other']);
    bed.commit((tx) => tx.remove('c', 'gone'));
    await erased(t, bed, { gone: ['data'], stays: ['other'] });
  });

  test(`overwritten, truncated and zeroed bytes beside live ones, ${kind}`, async (t) => {
    const bed = begin(t);
    const at = Math.floor(size / 2) - 20;
    const names = ['before', 'middle', 'behind'];
    for (const object of ['o', 'p', 'q', 'r']) {
      const own = names.map((name) => `${object}-${name}`);
      step(bed, (tx) => tx.write('c', object, 0, around(size + 200, at - 40, ...own)));
    }
    bed.commit((tx) => {
      tx.write('c', 'o', at, Buffer.alloc(40, 1));
      tx.zero('c', 'p', at, 40);
      tx.truncate('c', 'q', at);
      tx.truncate('c', 'r', at + 40);
    });
    await erased(t, bed, {
      gone: ['o-middle', 'p-middle', 'q-middle', 'q-behind', 'r-behind'],
      stays: ['o-before', 'o-behind', 'p-before', 'p-behind', 'q-before', 'r-before', 'r-middle'],
    });
    const whole = Buffer.from(bed.store.collection('c').object('o').readSync());
    t.deepEqual(whole.subarray(at - 40, at - 8), marker('o-before'));
    t.deepEqual(whole.subarray(at, at + 40), Buffer.alloc(40, 1));
    t.deepEqual(whole.subarray(at + 40, at + 72), marker('o-behind'));
  });
}

for (const [copies, metadataCopies] of Object.entries({ once: 1, twice: 2 })) {
  test(`names, attributes, keys and values, metadata kept ${copies}`, async (t) => {
    const bed = begin(t, { metadataCopies });
    const texts = ['name', 'attribute', 'value', 'key', 'entry', 'header', 'large', 'collection'];
    const [name, attribute, value, key, entry, header, large, collection] = texts.map(marker) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    step(bed, (tx) => {
      tx.createCollection(collection);
      tx.write(collection, name, 0, around(300, 100, 'bytes'));
      tx.setAttribute(collection, name, attribute, value);
      tx.touch('c', 'o');
      tx.setAttribute('c', 'o', marker('attribute 2'), marker('value 2'));
      tx.mapSet('c', 'o', [[key, entry]]);
      tx.mapSetHeader('c', 'o', header);
      tx.mapSet('c', 'o', [['k', Buffer.concat([Buffer.alloc(60_000), large])]]);
      tx.setCollectionAttribute('c', marker('of the collection'), marker('its value'));
      tx.write('c', 'o', 0, marker('lives'));
    });
    const second = ['attribute 2', 'value 2', 'of the collection', 'its value'];
    t.deepEqual(found(bed, [...texts, ...second]), [...texts, ...second]);
    bed.commit((tx) => {
      tx.dropCollection(collection);
      tx.removeAttributes('c', 'o');
      tx.mapClear('c', 'o');
      tx.removeCollectionAttribute('c', marker('of the collection'));
    });
    await erased(t, bed, { gone: [...texts, 'bytes', ...second], stays: ['lives'] });
  });
}

test('removed names and keys do not stay in branches', async (t) => {
  const bed = begin(t, { nodeSize: 4096 });
  const count = 200;
  const name = (i: number): string => `n${String(i).padStart(4, '0')}`;
  const key = (i: number): string => `k${String(i).padStart(4, '0')}`;
  // Neighbours that differ in their last byte only: what parts them is one of them, whole.
  const three = (one: string): Buffer[] =>
    ['0', '1', '2'].map((last) => Buffer.concat([marker(one), Buffer.from(last)]));
  bed.commit((tx) => tx.touch('c', 'map'));
  for (let from = 0; from < count; from += 20) {
    step(bed, (tx) => {
      for (let i = from; i < from + 20; i++) {
        for (const one of three(name(i))) tx.write('c', one, 0, Buffer.from('x'));
        tx.mapSet(
          'c',
          'map',
          three(key(i)).map((one) => [one, Buffer.from('y')] as const),
        );
      }
    });
  }
  // A quarter at a time: leaves stay so full that none is merged, and every separator in its place.
  const left = Array.from({ length: count }, (_, i) => i);
  const stays = (): string[] => left.flatMap((i) => [name(i), key(i)]);
  for (const quarter of [1, 3]) {
    const removed = left.filter((i) => i % 4 === quarter);
    for (const i of removed) {
      left.splice(left.indexOf(i), 1);
      bed.commit((tx) => {
        for (const one of three(name(i))) tx.remove('c', one);
        tx.mapRemove('c', 'map', three(key(i)));
      });
    }
    await erased(t, bed, { gone: removed.flatMap((i) => [name(i), key(i)]), stays: stays() });
  }
  bed.commit((tx) => tx.mapRemoveRange('c', 'map', marker(key(30)), marker(key(111))));
  const single = (i: number): boolean => i >= 120 && i % 4 === 0;
  for (let i = 120; i < count; i++) {
    if (single(i))
      bed.commit((tx) => tx.mapRemoveRange('c', 'map', marker(key(i)), `${marker(key(i))}3`));
  }
  const isRanged = (one: string): boolean =>
    one.startsWith('k') && ((one >= key(30) && one < key(111)) || single(Number(one.slice(1))));
  const before = stays();
  await erased(t, bed, {
    gone: before.filter(isRanged),
    stays: before.filter((one) => !isRanged(one)),
  });
});

test('what clones share stays until the last of them is gone', async (t) => {
  const bed = begin(t);
  step(bed, (tx) => tx.write('c', 'a', 0, around(200_000, 100_000, 'shared', 'edge')));
  step(bed, (tx) => {
    tx.clone('c', 'a', 'b');
    tx.touch('c', 'part').cloneRange('c', 'a', 'part', 100_000, 36, 0);
    tx.cloneCollection('c', 'd');
  });
  bed.commit((tx) => {
    tx.write('c', 'b', 100_000, Buffer.alloc(32));
    tx.remove('c', 'a');
    tx.remove('d', 'a');
  });
  await erased(t, bed, { gone: [], stays: ['shared', 'edge'] });
  bed.commit((tx) => tx.dropCollection('d'));
  await erased(t, bed, { gone: [], stays: ['shared', 'edge'] });
  bed.commit((tx) => tx.remove('c', 'b'));
  await erased(t, bed, { gone: ['edge'], stays: ['shared'] });
  bed.commit((tx) => tx.remove('c', 'part'));
  await erased(t, bed, { gone: ['edge', 'shared'] });
});

test('large transactions, whose records have blocks of their own, and refused ones', async (t) => {
  const bed = begin(t, { journalBytes: 256 * 1024 });
  const value = around(25_000, 9000, 'in a run');
  const entries = Array.from({ length: 3 }, (_, i) => [`k${i}`, value] as const);
  bed.commit((tx) => tx.touch('c', 'o').mapSet('c', 'o', entries));
  const refused = bed.store.transaction().mustExist('c', 'nobody');
  refused.write('c', 'r', 0, around(50_000, 20_000, 'refused'));
  await t.throwsAsync(bed.store.commit(refused), { code: 'E_GUARD' });
  t.deepEqual(found(bed, ['in a run', 'refused']), ['in a run', 'refused']);
  bed.commit((tx) => tx.remove('c', 'o'));
  await erased(t, bed, { gone: ['in a run', 'refused'] });
});

test('a snapshot keeps what it sees; erase() waits for it', async (t) => {
  const bed = begin(t);
  step(bed, (tx) => tx.write('c', 'o', 0, around(5000, 100, 'seen')));
  const snapshot = bed.store.snapshot();
  bed.commit((tx) => tx.remove('c', 'o'));
  const waiting = bed.store.erase();
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.deepEqual(found(bed, ['seen']), ['seen']);
  t.true(bed.store.statfsSync().unerased > 0);
  snapshot.close();
  await waiting;
  await erased(t, bed, { gone: ['seen'] });
});

test('what is left to erase is known after a kill and after a close', async (t) => {
  for (const end of ['kill', 'reopen'] as const) {
    const bed = begin(t);
    step(bed, (tx) => tx.write('c', 'o', 0, around(300_000, 100_000, 'old')));
    bed.commit((tx) => tx.remove('c', 'o'));
    for (let i = 0; i < 2; i++) bed.store.checkpointSync();
    t.deepEqual(found(bed, ['old']), ['old']);
    bed[end]();
    t.true(bed.store.statfsSync().unerased > 0);
    await erased(t, bed, { gone: ['old'] });
    bed.reopen();
    t.is(bed.store.statfsSync().unerased, 0);
  }
});

test('what a crash has interrupted is erased too: a write ahead, a checkpoint, erasing', async (t) => {
  const shape = { blockSize: 1024, nodeSize: 1024, journalBytes: 64 * 1024, size: 4 * 1024 * 1024 };
  const bed = begin(t, { ...shape, history: true });
  step(bed, (tx) => tx.write('c', 'old', 0, around(20_000, 5000, 'old')));
  await bed.store.erase();
  const from = bed.device.point;
  bed.commit((tx) => tx.write('c', 'ahead', 0, around(60_000, 20_000, 'ahead')));
  bed.commit((tx) => tx.write('c', 'node', 0, around(100, 20, 'node')));
  bed.store.checkpointSync();
  bed.commit((tx) => tx.remove('c', 'old'));
  await bed.store.erase();
  const names = ['old', 'ahead', 'node'];
  let seen = 0;
  for (const point of bed.device.crashPoints(from + 1)) {
    const device = bed.device.crashAt(point);
    const store = Store.openOnSync(device);
    const lives = names.filter((one) => store.collection('c').object(one).existsSync());
    if (found({ device }, names).length > lives.length) seen++;
    await store.erase();
    t.deepEqual(found({ device }, names), lives, `point ${point}`);
    for (const one of lives) store.commitSync(store.transaction().remove('c', one));
    await store.erase();
    t.deepEqual(found({ device }, names), [], `point ${point}, all removed`);
    store.closeSync();
    t.is(fsckFault(device.image()), undefined);
  }
  t.true(seen > 3, 'crashes left what nobody knows');
});

test('a full store gets its space back, erased or not', async (t) => {
  const bed = begin(t);
  const fill = (store: Store): number => {
    let count = 0;
    for (;;) {
      try {
        store.commitSync(store.transaction().write('c', `o${count}`, 0, Buffer.alloc(400_000, 3)));
        count++;
      } catch {
        return count;
      }
    }
  };
  const count = fill(bed.store);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < count; i++) bed.commit((tx) => tx.remove('c', `o${i}`));
    if (round === 0) await bed.store.erase();
    t.true(fill(bed.store) >= count - 1);
  }
});

test('erase() is refused where it means nothing', async (t) => {
  const bed = storeBed(t, { size: ERASES.size ?? 0 });
  await t.throwsAsync(bed.store.erase(), { code: 'E_INVALID' });
  const other = begin(t);
  await t.throwsAsync(other.store.erase({ rate: 0 }), { code: 'E_INVALID_ARGUMENT' });
  other.reopen({ readOnly: true });
  await t.throwsAsync(other.store.erase(), { code: 'E_READ_ONLY' });
  other.reopen();
});

test('a write of the background eraser that fails poisons the store and ends nothing else', async (t) => {
  const device = new SimulatedDevice({ size: 24 * 1024 * 1024 });
  const environment = new SimulatedEnvironment();
  mkfsOn(device, { eraseFreed: true });
  const store = await Store.openOn(device, { environment });
  await store.commit(
    store.transaction().createCollection('c').write('c', 'o', 0, around(50_000, 9)),
  );
  await store.commit(store.transaction().remove('c', 'o'));
  for (let i = 0; i < 3; i++) await store.checkpoint();
  t.true(store.statfsSync().unerased > 0);
  device.faults.failAt({ kind: 'write', n: 1, permanent: true });
  t.notThrows(() => environment.pass(1000));
  t.true(
    hasCode(
      t.throws(() => store.info()),
      'E_IO',
    ),
  );
  await t.throwsAsync(store.close(), { code: 'E_IO' });
});

test('a write or flush of erase() that fails poisons the store: what it has lost is not known', async (t) => {
  for (const kind of ['write', 'flush'] as const) {
    for (let n = 1, isDone = false; !isDone; n++) {
      const device = new SimulatedDevice({ size: 8 * 1024 * 1024 });
      mkfsOn(device, { eraseFreed: true, journalBytes: 1024 * 1024 });
      const store = await Store.openOn(device, { environment: new SimulatedEnvironment() });
      const transaction = store.transaction().createCollection('c').touch('c', 'o');
      await store.commit(transaction.remove('c', 'o'));
      device.faults.failAt({ kind, n });
      isDone = await store.erase().then(
        () => true,
        () => false,
      );
      if (!isDone) await t.throwsAsync(store.close(), { code: 'E_IO' }, `${kind} ${n}`);
    }
  }
});
