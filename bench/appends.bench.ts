/**
 * Objects that grow in turn: in how many runs each lies, on a file that is all there, on one that
 * grows, and with stripes; as they have grown to a size, and once housekeeping has had its turn, with
 * the bytes that it has moved on stripes. Median and most. Nothing is timed.
 *
 *     npm run bench:appends -- [--objects 101] [--mebibytes 16] [--pieces 4,64,100,1024]
 */

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { mkfsSync, Store } from '../src/index.js';
import { Prng } from '../test/support/prng.js';
import { ScriptOptions } from '../test/support/script-options.js';
import { inTemporaryDirectory } from './measure.js';

const USAGE = `Usage: npm run bench:appends -- [options]

  --objects N     objects that grow in turn (101)
  --mebibytes N   size that each grows to, in MiB (16)
  --pieces LIST   sizes of appends, in KiB (4,64,100,1024)
  --media LIST    preallocated, growing, striped, striped-growing (all)
`;

const KIB = 1024;
const MIB = 1024 * KIB;
const COLLECTION = 'c';

/** Appends that are under way side by side. */
const IN_FLIGHT = 32;

/** What housekeeping has left undone when this much time has passed by, it will not do. */
const REST_MS = 1500;

const GEOMETRY = { unit: 64 * KIB, width: 256 * KIB };

const MEDIA: Readonly<
  Record<string, { readonly stripes: boolean; readonly preallocate: boolean }>
> = {
  preallocated: { stripes: false, preallocate: true },
  growing: { stripes: false, preallocate: false },
  striped: { stripes: true, preallocate: true },
  'striped-growing': { stripes: true, preallocate: false },
};

const options = ScriptOptions.read(USAGE, {
  objects: '101',
  mebibytes: '16',
  pieces: '4,64,100,1024',
  media: Object.keys(MEDIA).join(','),
});

const objects = options.count('objects');
const size = options.count('mebibytes') * MIB;

/** Runs of all objects: the median and the most. */
function runsIn(store: Store): string {
  const collection = store.collection(COLLECTION);
  const runs: number[] = [];
  for (let i = 0; i < objects; i++) runs.push(collection.object(`o${i}`).statSync().extents);
  runs.sort((a, b) => a - b);
  return `${runs[objects >> 1]} (${runs.at(-1)})`;
}

async function rest(store: Store): Promise<void> {
  await pause(REST_MS);
  await store.checkpoint();
  await pause(REST_MS);
}

async function grow(store: Store, from: number, to: number, piece: number): Promise<void> {
  const bytes = new Prng(1).bytes(piece);
  const underWay = new Set<Promise<unknown>>();
  for (let at = from; at < to; at += piece) {
    for (let i = 0; i < objects; i++) {
      const data = bytes.slice(0, Math.min(piece, to - at));
      const done = store.commit(store.transaction().write(COLLECTION, `o${i}`, at, data));
      underWay.add(done);
      void done.finally(() => underWay.delete(done));
      if (underWay.size >= IN_FLIGHT) await Promise.race(underWay);
    }
  }
  await Promise.all(underWay);
}

async function measure(directory: string, medium: string, piece: number): Promise<void> {
  const path = join(directory, `${medium}-${piece}`);
  const { stripes = false, preallocate = false } = MEDIA[medium] ?? {};
  const capacity = Math.ceil(1.5 * objects * size) + 256 * MIB;
  mkfsSync(path, {
    size: preallocate ? capacity : 8 * capacity,
    preallocate,
    ...(stripes && { geometry: GEOMETRY }),
  });
  let store = Store.openSync(path);
  await store.commit(store.transaction().createCollection(COLLECTION));
  const cells: string[] = [medium, `${piece / KIB} KiB`];
  for (let to = Math.min(size, 4 * MIB), from = 0; from < size; from = to, to *= 4) {
    to = Math.min(to, size);
    await grow(store, from, to, piece);
    const busy = runsIn(store);
    await rest(store);
    const moved = store.statfsSync().stripes?.moved;
    cells.push(
      `${to / MIB} MiB`,
      busy,
      runsIn(store),
      moved === undefined ? '-' : `${moved >> 20} MiB`,
    );
    await store.close();
    store = Store.openSync(path);
  }
  console.log(`| ${cells.join(' | ')} |`);
  await store.close();
}

for (const medium of options.text('media').split(',')) {
  for (const piece of options.text('pieces').split(',')) {
    await inTemporaryDirectory((directory) => measure(directory, medium, Number(piece) * KIB));
  }
}
