/**
 * The engine's own figures, each beside the plain file system's in the same run:
 * `npm run bench:engine -- [--quick] [--only NAME]`.
 */

import { spawnSync } from 'node:child_process';
import { constants, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type MkfsOptions, mkfsSync, Store } from '../src/index.js';
import { largePutSuite } from './large-put.bench.js';
import { alternate, figureOf, inTemporaryDirectory, machine, secondsOf, show } from './measure.js';
import { readOptions, refuse } from './options.js';
import { checkApart, scrubSuite } from './scrub.bench.js';

const { values } = readOptions(
  `The engine's own figures, each beside the plain file system's in the same run

npm run bench:engine -- [--quick] [--only NAME]

  --quick      a tenth of the records
  --only NAME  map-get, durable-put, open-after-kill, memory, empty-objects, fsck or scrub
`,
  { options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } },
);

const ROUNDS = values.quick ? 3 : 5;
const RECORDS = values.quick ? 100_000 : 1_000_000;
const GIB = 1024 ** 3;

/** 16 bytes in an order that has nothing to do with `index`. */
function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(16);
  const view = new DataView(key.buffer);
  view.setUint32(0, Math.imul(index, 2_654_435_761) >>> 0);
  view.setUint32(4, index);
  return key;
}

function openNew(directory: string, cacheBytes: number, options: MkfsOptions = {}): Store {
  const path = join(directory, 'bench.hf');
  mkfsSync(path, { size: 16 * GIB, ...options });
  return Store.openSync(path, { cacheBytes });
}

async function mapGet(directory: string): Promise<void> {
  const store = openNew(directory, GIB);
  store.commitSync(store.transaction().createCollection('c').touch('c', 'm'));
  const load = await secondsOf(() => {
    for (let at = 0; at < RECORDS; at += 1000) {
      const entries: [Uint8Array, Uint8Array][] = [];
      for (let i = at; i < at + 1000; i++) entries.push([keyOf(i), new Uint8Array(100).fill(i)]);
      store.commitSync(store.transaction().mapSet('c', 'm', entries));
    }
  });
  const object = store.collection('c').object('m');
  const keys = Array.from({ length: RECORDS }, (_, i) => keyOf((i * 7919) % RECORDS));
  let sink = 0;
  const figures = await alternate(ROUNDS, {
    get: async () => {
      const seconds = await secondsOf(() => {
        for (const key of keys) sink += object.mapGetSync(key)?.length ?? 0;
      });
      return keys.length / seconds;
    },
  });
  if (sink !== (ROUNDS + 1) * RECORDS * 100)
    throw new Error('Cannot trust figures: values are missing');
  console.log(
    `load ${RECORDS} x 100 B, batches of 1000, each durable: ${Math.round(RECORDS / load)}/s`,
  );
  console.log(`get 100 B out of ${RECORDS}, resident: ${show(figures.get, '/s')}`);
  store.closeSync();
}

async function durablePut(directory: string): Promise<void> {
  // Preallocated, as the raw file is: what growing costs is not what is measured here.
  const store = openNew(directory, 64 * 1024 ** 2, { size: 2 * GIB, preallocate: true });
  store.commitSync(store.transaction().createCollection('c'));
  const count = values.quick ? 500 : 2000;
  const raw = openSync(join(directory, 'raw'), constants.O_RDWR | constants.O_CREAT);
  for (let i = 0; i < 64; i++)
    writeSync(raw, new Uint8Array(1024 ** 2), 0, 1024 ** 2, i * 1024 ** 2);
  fdatasyncSync(raw);
  const data = new Uint8Array(4096);
  const view = new DataView(data.buffer);
  let next = 0;
  const micros = { inFlight: [] as number[], smallInFlight: [] as number[] };
  const flight = (bytes: number, each: number[]) => async (round: number) => {
    const total = count * 10;
    const before = process.cpuUsage();
    const seconds = await secondsOf(() => inFlight(store, { total, bytes }, () => next++));
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) each.push((user + system) / total);
    return total / seconds;
  };
  const figures = await alternate(ROUNDS, {
    raw: async () => {
      const seconds = await secondsOf(() => {
        for (let i = 0; i < count; i++) {
          view.setUint32(0, i);
          writeSync(raw, data, 0, data.length, i * data.length);
          fdatasyncSync(raw);
        }
      });
      return count / seconds;
    },
    commitSync: async () => {
      const seconds = await secondsOf(() => {
        for (let i = 0; i < count; i++) {
          view.setUint32(0, next);
          store.commitSync(store.transaction().write('c', `o${next++}`, 0, data));
        }
      });
      return count / seconds;
    },
    inFlight: flight(4096, micros.inFlight),
    smallInFlight: flight(100, micros.smallInFlight),
  });
  const ratio = (a: number, b: number): string => (a / b).toFixed(2);
  console.log(`raw 4 KiB write + fdatasync: ${show(figures.raw, '/s')}`);
  console.log(
    `put 4 KiB, commitSync: ${show(figures.commitSync, '/s')}, ${ratio(figures.commitSync.median, figures.raw.median)} of raw`,
  );
  console.log(
    `put 4 KiB, 64 in flight: ${show(figures.inFlight, '/s')}, ${ratio(figures.inFlight.median, figures.commitSync.median)} of commitSync, ${show(figureOf(micros.inFlight), 'us')} of the processor`,
  );
  console.log(
    `put 100 B, 64 in flight: ${show(figures.smallInFlight, '/s')}, ${show(figureOf(micros.smallInFlight), 'us')} of the processor`,
  );
  await store.close();
}

/** Transactions that are under way at a time. */
const IN_FLIGHT = 64;

/** Puts `total` objects of `bytes` bytes, IN_FLIGHT at a time. */
function inFlight(
  store: Store,
  { total, bytes: length }: { readonly total: number; readonly bytes: number },
  name: () => number,
): Promise<void> {
  let started = 0;
  let ended = 0;
  return new Promise((resolve, reject) => {
    // Data of this size is the caller's again when the operation was added.
    const one = (data: DataView): void => {
      if (started === total) return;
      started++;
      const index = name();
      data.setUint32(0, index);
      const bytes = new Uint8Array(data.buffer);
      store.commit(store.transaction().write('c', `o${index}`, 0, bytes)).then(() => {
        ended++;
        if (ended === total) resolve();
        else one(data);
      }, reject);
    };
    for (let i = 0; i < IN_FLIGHT; i++) one(new DataView(new ArrayBuffer(length)));
  });
}

/** Writes `objects` in a process of its own, which then closes the store or dies. */
function writeApart(path: string, objects: number, end: 'close' | 'die'): void {
  const script = `
    import { mkfsSync, Store } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)};
    mkfsSync(${JSON.stringify(path)}, { size: 16 * 1024 ** 3 });
    const store = Store.openSync(${JSON.stringify(path)});
    store.commitSync(store.transaction().createCollection('c'));
    for (let at = 0; at < ${objects}; at += 500) {
      const transaction = store.transaction();
      for (let i = at; i < at + 500; i++) {
        transaction.write('c', String(Math.imul(i, 2654435761) >>> 0).padStart(16, '0'), 0, new Uint8Array(100).fill(i));
      }
      store.commitSync(transaction);
    }
    if (${end === 'die'}) process.kill(process.pid, 'SIGKILL');
    store.closeSync();`;
  spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
}

async function openAfterKill(directory: string): Promise<void> {
  for (const objects of [10_000, RECORDS]) {
    const path = join(directory, `killed-${objects}.hf`);
    writeApart(path, objects, 'die');
    const begin = performance.now();
    const store = Store.openSync(path);
    const seconds = (performance.now() - begin) / 1000;
    const { replayed } = store.recovery;
    console.log(
      `open after kill, ${objects} objects: ${seconds.toFixed(3)} s, ${replayed} transactions replayed`,
    );
    store.closeSync();
  }
}

async function memory(directory: string): Promise<void> {
  const path = join(directory, 'memory.hf');
  writeApart(path, RECORDS, 'close');
  const script = `
    import { Store } from ${JSON.stringify(new URL('../src/index.js', import.meta.url).href)};
    const store = Store.openSync(${JSON.stringify(path)}, { cacheBytes: 32 * 1024 ** 2 });
    const collection = store.collection('c');
    let peak = 0;
    for (let n = 0; n < ${RECORDS}; n++) {
      const i = (n * 7919) % ${RECORDS};
      const bytes = collection.object(String(Math.imul(i, 2654435761) >>> 0).padStart(16, '0')).readSync();
      if (bytes.length !== 100 || bytes[0] !== (i & 255)) throw new Error('wrong bytes');
      if (n % 1000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    }
    console.log('RSS while reading ${RECORDS} objects at random, 32 MiB cache: ' + Math.round(peak / 1e6) + ' MB');
    store.closeSync();`;
  spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
}

async function emptyObjects(directory: string): Promise<void> {
  const store = openNew(directory, 256 * 1024 ** 2);
  store.commitSync(store.transaction().createCollection('c'));
  store.checkpointSync();
  store.checkpointSync();
  const before = store.statfsSync().allocated;
  const seconds = await secondsOf(() => {
    for (let at = 0; at < RECORDS; at += 1000) {
      const transaction = store.transaction();
      for (let i = at; i < at + 1000; i++) transaction.create('c', keyOf(i));
      store.commitSync(transaction);
    }
  });
  for (let i = 0; i < 3; i++) store.checkpointSync();
  const bytes = (store.statfsSync().allocated - before) / RECORDS;
  console.log(
    `${RECORDS} empty objects, random order: ${bytes.toFixed(1)} B each, ${Math.round(RECORDS / seconds)}/s`,
  );
  store.closeSync();
}

async function checkMany(directory: string): Promise<void> {
  const path = join(directory, 'check.hf');
  writeApart(path, RECORDS, 'close');
  const { seconds, megabytes } = checkApart(path);
  console.log(
    `fsck of ${RECORDS} objects: ${seconds.toFixed(2)} s, ${Math.round(megabytes)} MB at most`,
  );
}

const SUITES: Readonly<Record<string, (directory: string) => Promise<void>>> = {
  'map-get': mapGet,
  'durable-put': durablePut,
  'large-put': (directory) => largePutSuite(directory, { rounds: ROUNDS, quick: values.quick }),
  'open-after-kill': openAfterKill,
  memory,
  'empty-objects': emptyObjects,
  fsck: checkMany,
  scrub: (directory) => scrubSuite(directory, { rounds: ROUNDS, quick: values.quick }),
};

const { only } = values;
if (only !== undefined && !(only in SUITES)) {
  refuse(`Cannot find suite ${only}: there are ${Object.keys(SUITES).join(', ')}`);
}
console.log(machine());
for (const [name, suite] of Object.entries(SUITES)) {
  if (only !== undefined && only !== name) continue;
  console.log(`\n${name}`);
  await inTemporaryDirectory(suite);
}
