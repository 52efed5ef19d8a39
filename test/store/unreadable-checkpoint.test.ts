/** A checkpoint that needs what can't be read fails alone: a read error never poisons. */

import test from 'ava';
import { runSync } from '../../src/blockdev/io.js';
import { ComparatorRegistry } from '../../src/btree/comparator.js';
import type { ErrorCode } from '../../src/errors.js';
import { fsck } from '../../src/fsck/fsck.js';
import { mkfsOn, Store, StoreError } from '../../src/index.js';
import { ImageDevice } from '../support/image-device.js';
import { metadataPlaces } from '../support/metadata-places.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/** A store with data in a group whose bitmap is not in memory, and where its bitmaps are. */
function made(): { store: Store; device: ImageDevice; bitmaps: readonly number[] } {
  const device = new ImageDevice(new Uint8Array(24 * MiB));
  mkfsOn(device, { blockSize: KiB, nodeSize: KiB, journalBytes: MiB });
  const first = Store.openOnSync(device);
  const build = first.transaction().createCollection('c');
  for (let i = 0; i < 60; i++) build.write('c', `object-${i}`, 0, new Uint8Array(5000).fill(i));
  first.commitSync(build);
  first.closeSync();
  const image = new ImageDevice(device.bytes);
  const places = metadataPlaces(image, new ComparatorRegistry());
  const bitmaps = places.filter(({ role }) => role === 0).map((place) => place.first);
  return { store: Store.openOnSync(image), device: image, bitmaps };
}

/** Makes bitmaps unreadable, or another one; gives what takes that back. */
const FAILURES: Readonly<
  Record<string, [ErrorCode, (device: ImageDevice, bitmaps: readonly number[]) => () => void]>
> = {
  'that the device fails to read': [
    'E_IO',
    (device, bitmaps) => {
      device.onRead = (offset) => {
        if (bitmaps.includes(offset)) throw new StoreError('E_IO', `Cannot read at ${offset}`);
      };
      return () => {
        device.onRead = undefined;
      };
    },
  ],
  'that is damaged': [
    'E_CORRUPT',
    (device, bitmaps) => {
      const flip = (): void => {
        for (const at of bitmaps) {
          device.bytes[at + 500] = (device.bytes[at + 500] as number) ^ 1;
        }
      };
      flip();
      return flip;
    },
  ],
};

for (const [what, [code, fail]] of Object.entries(FAILURES)) {
  test(`a checkpoint over a bitmap ${what} fails, and nothing else does`, async (t) => {
    const { store, device, bitmaps } = made();
    const heal = fail(device, bitmaps);
    for (let i = 0; i < 40; i++) {
      store.commitSync(store.transaction().remove('c', `object-${i}`).touch('c', `new-${i}`));
      if (i % 10 !== 0) continue;
      const allocated = store.statfsSync().allocated;
      t.throws(() => store.checkpointSync(), { code });
      await t.throwsAsync(store.checkpoint(), { code });
      t.is(store.statfsSync().allocated, allocated);
      const report = await store.scrub();
      t.true(report.isComplete && report.errors > 0);
    }
    const read = (one: Store, name: string) => one.collection('c').object(name).readSync();
    t.is(read(store, 'object-50')[0], 50);
    heal();
    await store.checkpoint();
    t.is((await store.scrub()).findings.length, 0);
    await store.close();
    const again = new ImageDevice(device.bytes, { readOnly: true });
    const found: string[] = [];
    runSync(
      fsck(again, {
        deep: true,
        comparators: new ComparatorRegistry(),
        onFinding: ({ message }) => found.push(message),
      }),
    );
    t.deepEqual(found, []);
    const opened = Store.openOnSync(again);
    t.is(opened.statfsSync().objects, 60);
    t.is(read(opened, 'object-50')[0], 50);
  });
}

test('a checkpoint whose leaves can not be read for now is gone on with by the next one', async (t) => {
  const device = new ImageDevice(new Uint8Array(24 * MiB));
  mkfsOn(device, { blockSize: KiB, nodeSize: 2 * KiB, journalBytes: 4 * MiB });
  const keyOf = (i: number): Buffer => Buffer.from(`key ${String((i * 7919) % 4000)}`);
  const fill = Store.openOnSync(device);
  const entries = Array.from({ length: 4000 }, (_, i): [Buffer, Buffer] => [keyOf(i), keyOf(i)]);
  fill.commitSync(
    fill.transaction().createCollection('c').touch('c', 'o').mapSet('c', 'o', entries),
  );
  fill.closeSync();
  const image = new ImageDevice(device.bytes);
  const store = Store.openOnSync(image, { cacheBytes: 0, dirtyBytes: 64 * KiB });
  const change = (from: number, text: string): void => {
    const some = entries.slice(from, from + 40).map(([key]): [Buffer, string] => [key, text]);
    store.commitSync(store.transaction().mapSet('c', 'o', some));
  };
  change(0, 'before');
  image.onRead = (offset) => {
    throw new StoreError('E_IO', `Cannot read at ${offset}`);
  };
  t.throws(() => store.checkpointSync(), { code: 'E_IO' });
  await t.throwsAsync(store.checkpoint(), { code: 'E_IO' });
  image.onRead = undefined;
  change(20, 'behind');
  await store.close();
  const again = Store.openOnSync(new ImageDevice(image.bytes, { readOnly: true }));
  t.is(again.info().journalUsedBytes, 0);
  const map = again.collection('c').object('o');
  for (let i = 0; i < 80; i++) {
    const expected = i < 20 ? 'before' : i < 60 ? 'behind' : keyOf(i).toString();
    t.is(Buffer.from(map.mapGetSync(keyOf(i)) ?? []).toString(), expected);
  }
  const found: string[] = [];
  runSync(
    fsck(new ImageDevice(image.bytes, { readOnly: true }), {
      deep: true,
      comparators: new ComparatorRegistry(),
      onFinding: ({ message }) => found.push(message),
    }),
  );
  t.deepEqual(found, []);
});
