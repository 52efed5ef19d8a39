/** How a store ends: who waits for what, and what is given back when. */

import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  hasCode,
  MemoryDevice,
  type MkfsOptions,
  mkfs,
  mkfsOn,
  type OpenOptions,
  Store,
} from '../../src/index.js';
import { fsckFault, fsckFileFault } from '../support/crash-fsck.js';
import { Prng } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';
import { SimulatedEnvironment } from '../support/simulated-environment.js';
import { mkfsPart, openPart } from '../support/split-options.js';
import { temporaryPath } from '../support/temp-directory.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A device whose flushes take a while, and writes during one even longer. */
class SlowDevice extends MemoryDevice {
  flushing = false;
  writesUnderWay = 0;
  writesUnderWayAtClose: number | undefined;

  override async write(offset: number, sources: readonly Uint8Array[]): Promise<void> {
    this.writesUnderWay++;
    if (this.flushing) await delay(300);
    this.writeSync(offset, sources);
    this.writesUnderWay--;
  }

  override async flush(): Promise<void> {
    this.flushing = true;
    await delay(60);
    this.flushing = false;
  }

  override closeSync(): void {
    this.writesUnderWayAtClose ??= this.writesUnderWay;
    super.closeSync();
  }
}

test('close() gives the device back with no write under way, that of a mark neither', async (t) => {
  const device = new SlowDevice({ size: 64 * MIB });
  mkfsOn(device);
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c').touch('c', 'o'));
  // The mark behind the last record comes due while the last checkpoint is being flushed.
  await store.close();
  t.is(device.writesUnderWayAtClose, 0);
});

/** A store in a file, with a collection. */
async function fileStore(
  t: ExecutionContext,
  options: MkfsOptions & OpenOptions = {},
): Promise<{ path: string; store: Store }> {
  const path = temporaryPath(t);
  await mkfs(path, { size: 64 * MIB, journalBytes: MIB, ...mkfsPart(options) });
  const store = await Store.open(path, openPart(options));
  await store.commit(store.transaction().createCollection('c'));
  return { path, store };
}

/** Submits so much that most of it is still under way when this returns. */
function submitMany(store: Store): Promise<number>[] {
  return Array.from({ length: 50 }, (_, i) =>
    store.commit(store.transaction().write('c', `o${i}`, 0, new Uint8Array(100_000).fill(i))),
  );
}

/** The store can be opened at once, and has all that `submitMany` submitted. */
async function isWhole(t: ExecutionContext, path: string): Promise<void> {
  const store = Store.openSync(path);
  t.is(store.collection('c').statSync().objects, 50);
  t.is(store.recovery.replayed, 0);
  await store.close();
  t.is(fsckFileFault(path), undefined);
}

test('close() of a store that is being closed waits for the same end', async (t) => {
  const { path, store } = await fileStore(t);
  const committed = submitMany(store);
  const first = store.close();
  await store.close();
  await isWhole(t, path);
  await first;
  await store.close();
  t.is((await Promise.all(committed)).length, 50);
});

test('closeSync() ends a close() that is under way', async (t) => {
  const { path, store } = await fileStore(t);
  const committed = submitMany(store);
  const first = store.close();
  await turn();
  store.closeSync();
  await Promise.all(committed);
  await first;
  await isWhole(t, path);
});

test('close() gives the file back although reads and a scrub are under way', async (t) => {
  const { path, store } = await fileStore(t);
  await Promise.all(submitMany(store));
  await store.checkpoint();
  const objects = Array.from({ length: 50 }, (_, i) => store.collection('c').object(`o${i}`));
  const ends = Promise.allSettled([store.scrub(), ...objects.map((object) => object.read())]);
  await turn();
  await store.close();
  await isWhole(t, path);
  for (const end of await ends) {
    t.true(end.status === 'fulfilled' || hasCode(end.reason, 'E_CLOSED'), end.status);
  }
});

/** A store with something to scrub and to erase, whose clock nobody moves. */
async function slowStore(t: ExecutionContext): Promise<Store> {
  const environment = new SimulatedEnvironment();
  const { store } = await fileStore(t, { eraseFreed: true, environment });
  await Promise.all(submitMany(store));
  await store.commit(store.transaction().remove('c', 'o0'));
  return store;
}

test('close() ends a scrub and an erase() that wait for the sake of a rate', async (t) => {
  const store = await slowStore(t);
  const slow = Promise.allSettled([store.scrub({ rate: 1 }), store.erase({ rate: 1 })]);
  await delay(50);
  await store.close();
  for (const end of await slow)
    t.true(end.status === 'rejected' && hasCode(end.reason, 'E_CLOSED'));
});

test('erase() ends at its signal, however low its rate', async (t) => {
  const store = await slowStore(t);
  const ends = new AbortController();
  const erasing = store.erase({ rate: 1, signal: ends.signal });
  await delay(50);
  ends.abort();
  t.false((await erasing).isComplete);
  await store.close();
});

test('closeSync() that has to return to the event loop first can be called again', async (t) => {
  const device = new SimulatedDevice({ size: 6 * MIB });
  mkfsOn(device, { blockSize: KIB, nodeSize: KIB, journalBytes: 64 * KIB });
  const store = Store.openOnSync(device, { cacheBytes: 8 * KIB, dirtyBytes: 24 * KIB });
  await store.commit(store.transaction().createCollection('c'));
  const prng = new Prng(1);
  const write = (i: number) => store.transaction().write('c', `o${i}`, 0, prng.bytes(700));
  for (let i = 0; i < 30; i++) await store.commit(write(i));
  device.hold();
  const checkpoint = store.checkpoint();
  await turn();
  store.checkpointSync(); // overtakes what is held
  const committed = Array.from({ length: 200 }, (_, i) => store.commit(write(i)));
  t.true(
    hasCode(
      t.throws(() => store.closeSync()),
      'E_BUSY',
    ),
  );
  device.release();
  await checkpoint;
  await store.close();
  t.is(await committed.at(-1), store.durableTransaction);
  t.is(fsckFault(device.image()), undefined);
});

test('close() writes its checkpoint behind any other, however late that was begun', async (t) => {
  for (let turns = 0; turns < 12; turns++) {
    const device = new SimulatedDevice({ size: 8 * MIB, scheduler: new Prng(turns) });
    mkfsOn(device, { blockSize: KIB, nodeSize: KIB, journalBytes: 256 * KIB });
    const store = await Store.openOn(device, { dirtyBytes: MIB });
    await store.commit(store.transaction().createCollection('c'));
    const committed = Array.from({ length: 60 }, (_, i) =>
      store.commit(store.transaction().write('c', `o${i}`, 0, new Uint8Array(900).fill(i))),
    );
    const closing = store.close();
    for (let left = turns; left > 0; left--) await turn();
    const others = [store.checkpoint(), store.resize(9 * MIB), store.scrub()];
    for (const end of await Promise.allSettled(others)) {
      t.true(end.status === 'fulfilled' || hasCode(end.reason, 'E_CLOSED'), String(end));
    }
    await closing;
    await Promise.all(committed);
    t.is(fsckFault(device.image()), undefined, `${turns} turns`);
    const reopened = Store.openOnSync(new SimulatedDevice({ image: device.image() }));
    t.is(reopened.recovery.replayed, 0);
    t.is(reopened.collection('c').statSync().objects, 60);
    reopened.closeSync();
  }
});
