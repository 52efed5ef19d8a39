/** A file that grows in the background, before its room is needed. */

import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { mkfsOn, Store } from '../../src/index.js';
import { fsckFault } from '../support/crash-fsck.js';
import { Prng, seedFromEnvironment } from '../support/prng.js';
import { SimulatedDevice } from '../support/simulated-device.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Counts growths, and holds those in the background back until it is told. */
class GrowingDevice extends SimulatedDevice {
  growthsAtOnce = 0;
  growthsBehind = 0;
  #held: Promise<void> | undefined;

  /** Growths in the background end only when `release` is called. */
  holdGrowth(): { release: () => void } {
    let release = (): void => undefined;
    this.#held = new Promise<void>((resolve) => {
      release = resolve;
    });
    return { release: () => release() };
  }

  override growSync(size: number): void {
    this.growthsAtOnce++;
    super.growSync(size);
  }

  override async grow(size: number): Promise<void> {
    this.growthsBehind++;
    const from = this.size;
    await this.#held;
    await super.grow(size);
    // Zeros that were written before somebody else grew the file may land as late as this.
    if (this.#held !== undefined) this.writeSync(from, [new Uint8Array(size - from)]);
  }
}

function content(i: number): Uint8Array {
  return new Uint8Array(60 * KiB).fill(i + 1);
}

function grownDevice(): GrowingDevice {
  const device = new GrowingDevice({ size: 0, sizeMax: 256 * MiB, history: false });
  mkfsOn(device, { journalBytes: 4 * MiB });
  return device;
}

test('commits that are waited for find room without a growth at once', async (t) => {
  const device = grownDevice();
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c'));
  const before = { atOnce: device.growthsAtOnce, size: device.size };
  for (let i = 0; i < 800; i++) {
    await store.commit(store.transaction().write('c', `o${i}`, 0, content(i)));
  }
  t.true(device.size >= before.size + 32 * MiB);
  t.true(device.growthsBehind > 2);
  t.is(device.growthsAtOnce, before.atOnce);
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});

test('a growth that is overtaken puts its zeros on nothing', async (t) => {
  const prng = new Prng(seedFromEnvironment());
  t.log('SEED', prng.seed);
  const device = grownDevice();
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c'));
  const { release } = device.holdGrowth();
  let count = 0;
  for (; device.growthsBehind === 0; count++) {
    await store.commit(store.transaction().write('c', `o${count}`, 0, content(count)));
  }
  const atOnce = device.growthsAtOnce;
  const size = device.size;
  for (; device.size < size + 24 * MiB; count++) {
    store.commitSync(store.transaction().write('c', `o${count}`, 0, content(count)));
  }
  t.true(device.growthsAtOnce > atOnce, 'who had no time has grown the file himself');
  const { available } = store.statfsSync();
  release();
  for (let i = 0; i < 100; i++) await turn();
  t.true(store.statfsSync().available > available, 'what was held for the zeros is free');
  for (let more = 0; more < 100; more++, count++) {
    await store.commit(store.transaction().write('c', `o${count}`, 0, content(count)));
  }
  const collection = store.collection('c');
  for (let i = 0; i < count; i++) {
    t.is(Buffer.compare(collection.object(`o${i}`).readSync(), content(i)), 0);
  }
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});

test('a growth that fails in the background leaves the answer to who needs the room', async (t) => {
  const device = grownDevice();
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c'));
  device.faults.failAt({ kind: 'grow', n: 1, permanent: true });
  let count = 0;
  await t.throwsAsync(
    async () => {
      for (; ; count++) {
        await store.commit(store.transaction().write('c', `o${count}`, 0, content(count)));
      }
    },
    { code: 'E_NO_SPACE' },
  );
  t.true(count > 10);
  await store.commit(store.transaction().remove('c', 'o0'));
  await store.close();
  t.is(fsckFault(device.image()), undefined);
});
